"""Files that survive crashes: written whole under a temporary name, or appended line by line."""

import errno
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from vqx.errors import VqxError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def allowed() -> None:
    """The check of a writer that nobody can take the place from."""


@contextmanager
def atomic_file(
    path: Path, *, check: Callable[[], None] = allowed, durable: bool = True
) -> Iterator[BinaryIO]:
    """A binary file that appears as `path` when the block ends, whole and on disk, or not at all.

    Readers see the old file or the new one. `check` raises when the writer may not write any more.
    It is asked while the temporary file is there: who takes the place over removes that first, so
    that a writer frozen after the check has nothing left to rename. Without `durable` a power cut
    may lose the file or leave it empty. Raises VqxError when the disk is full.
    """
    # No other writer, here or on another host, may have the same temporary name.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(6)}.tmp")
    with space_for(path):
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            check()
            temporary.replace(path)
            if durable:
                _sync_folder(path.parent)
        except FileNotFoundError:
            check()  # somebody has taken over since, and removed the temporary file
            raise
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def space_for(path: Path) -> Iterator[None]:
    """Turn "no space left" and "quota exceeded" in the block into a VqxError with the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise VqxError(
            f"disk full while writing {path}: free space and run the same command again; "
            "what was saved before is intact"
        ) from error


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files that killed writers left anywhere below `folder` (hold its lock)."""
    for path in folder.rglob(".*.tmp"):
        path.unlink(missing_ok=True)


def write_text_atomic(
    path: Path, text: str, *, check: Callable[[], None] = allowed, durable: bool = True
) -> None:
    """Replace `path` by `text` (UTF-8) in one step; see `atomic_file`."""
    with atomic_file(path, check=check, durable=durable) as file:
        file.write(text.encode())


def write_json_atomic(
    path: Path, value: Any, *, check: Callable[[], None] = allowed, durable: bool = True
) -> None:
    """Replace `path` by `value` as JSON in one step; floats keep every bit, NaN included."""
    text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
    write_text_atomic(path, text, check=check, durable=durable)


class LineFile:
    """A JSON-lines file opened once to append to.

    When another process replaces the file, as one does that takes a run over, what this one still
    appends goes to the replaced one, which no reader sees.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(
            path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666
        )

    def append(self, record: Mapping[str, Any]) -> None:
        """Append `record` as one line in a single write; a write cut short is taken back."""
        line = (json.dumps(record, ensure_ascii=False) + "\n").encode()
        before = os.fstat(self._descriptor).st_size
        with space_for(self._path):
            if os.write(self._descriptor, line) < len(line):
                os.ftruncate(self._descriptor, before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sync(self) -> None:
        """Bring all lines to the disk."""
        with space_for(self._path):
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file; closing twice is no error."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Append `record` to the JSON-lines file `path`."""
    with closing(LineFile(path)) as file:
        file.append(record)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Records of a JSON-lines file, without a last line that a crash tore; [] for no file.

    Raises VqxError for damage anywhere else: that is no crash of ours.
    """
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    records: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        whole = number < len(lines)  # split leaves what follows the last newline as the last item
        record = _record(line) if line and whole else None
        if record is not None:
            records.append(record)
        elif line and whole and number < len(lines) - 1:
            raise VqxError(f"{path}, line {number} is no JSON object: mend or delete that line")
    return records


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def truncate_metrics(
    path: Path, *, step: int, evaluated_step: int, check: Callable[[], None] = allowed
) -> None:
    """Drop what metrics.jsonl holds beyond a checkpoint, and a torn last line, in one step.

    What follows `step` is trained again on resume, and what follows `evaluated_step` measured
    again: kept lines would then be doubled.
    """
    last = {"train": step, "evaluate": evaluated_step}
    kept = [record for record in read_lines(path) if record["step"] <= last[record["kind"]]]
    text = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in kept)
    write_text_atomic(path, text, check=check)
