"""Files that survive crashes: written whole under a temporary name, or appended line by line."""

import errno
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from vqx.errors import VqxError

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A binary file that appears as `path` when the block ends, whole and on disk, or not at all.

    Readers see the old file or the new one. Raises VqxError when the disk is full.
    """
    # Process and thread in the name: a heartbeat and a trainer may write side by side.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    with space_for(path):
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
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


def write_text_atomic(path: Path, text: str) -> None:
    """Replace `path` by `text` (UTF-8) in one step."""
    with atomic_file(path) as file:
        file.write(text.encode())


def write_json_atomic(path: Path, value: Any) -> None:
    """Replace `path` by `value` as JSON in one step; floats keep every bit, NaN included."""
    write_text_atomic(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def append_line(path: Path, record: dict[str, Any]) -> None:
    """Append `record` as one JSON line in a single write; a write cut short is taken back."""
    line = (json.dumps(record, ensure_ascii=False) + "\n").encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        before = os.fstat(descriptor).st_size
        with space_for(path):
            if os.write(descriptor, line) < len(line):
                os.ftruncate(descriptor, before)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)


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


def truncate_metrics(path: Path, *, step: int, evaluated_step: int) -> None:
    """Drop what metrics.jsonl holds beyond a checkpoint, and a torn last line, in one step.

    What follows `step` is trained again on resume, and what follows `evaluated_step` measured
    again: kept lines would then be doubled.
    """
    last = {"train": step, "evaluate": evaluated_step}
    kept = [record for record in read_lines(path) if record["step"] <= last[record["kind"]]]
    write_text_atomic(path, "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in kept))
