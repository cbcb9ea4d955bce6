"""W&B's recordings in a run folder, read as wandb itself writes them.

A recording is a folder of one session: `offline-run-TIME-ID`, or `run-TIME-ID` of one online.
Its .wandb file is LevelDB's log format: blocks of 32 KiB, in them pieces of protocol buffers.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqx.runs.files import write_json_atomic
from vqx.runs.folder import read_json

_BLOCK, _HEADER, _START = 32768, 7, 7
_WHOLE, _LAST = 1, 4  # kinds of pieces after which a record is complete


@dataclass(frozen=True, slots=True)
class Recording:
    """One session's recording; `file` is its .wandb file."""

    file: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.file.parent.name

    @property
    def is_offline(self) -> bool:
        """Whether the session sent nothing while it ran."""
        return self.name.startswith("offline-")

    @property
    def was_sent(self) -> bool:
        """Whether `wandb sync` says that it has sent it; it leaves an empty file beside it."""
        return self.file.with_name(f"{self.file.name}.synced").exists()

    def run(self) -> Any | None:
        """wandb's record of the run (project, entity, run_group, start_time, ...), if it got it."""
        return next((r.run for r in records_of(self.file) if r.HasField("run")), None)

    def history(self) -> dict[int, dict[str, Any]]:
        """Rows by their place; values as JSON has them."""
        rows: dict[int, dict[str, Any]] = {}
        for record in records_of(self.file):
            if record.HasField("history"):
                items = record.history.item
                row = {i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in items}
                rows.setdefault(int(row.get("_step", record.history.step.num)), {}).update(row)
        return rows

    def exit_code(self) -> int | None:
        """The exit code it ended with; None when its session was killed."""
        return next((r.exit.exit_code for r in records_of(self.file) if r.HasField("exit")), None)

    def is_whole(self, *, lines: int) -> bool:
        """Whether it ended and has as many rows as metrics.jsonl has lines."""
        rows = self.history().values()
        kinds = ("train/", "evaluate/")
        return self.exit_code() is not None and lines == sum(
            any(key.startswith(kinds) for key in row) for row in rows
        )


def recordings(folder: Path) -> list[Recording]:
    """All recordings of the run in `folder`, in the order of their sessions."""
    found = [Recording(path) for path in folder.glob("wandb/*run-*/run-*.wandb")]
    return sorted(found, key=_started)


def _started(recording: Recording) -> int:
    """When, in ns; not by its name, which holds a local time, that goes back once a year."""
    run = recording.run()
    # Killed before it wrote a thing: then it was hardly longer there than its file.
    return recording.file.stat().st_mtime_ns if run is None else run.start_time.ToNanoseconds()


def records_of(path: Path) -> Iterator[Any]:
    """wandb's records in a .wandb file, up to where a crash tore it."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from wandb.proto.wandb_internal_pb2 import Record

    message = b""
    for kind, piece in _pieces(path.read_bytes()):
        message += piece
        if kind in (_WHOLE, _LAST):
            record = Record()
            try:
                record.ParseFromString(message)
            except DecodeError:
                return
            yield record
            message = b""


def _pieces(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and bytes of each piece."""
    position = _START
    while position + _HEADER <= len(data):
        if (left := _BLOCK - position % _BLOCK) < _HEADER:
            position += left
            continue
        _, size, kind = struct.unpack_from("<IHB", data, position)
        position += _HEADER
        if position + size > len(data) or not kind:
            return
        yield kind, data[position : position + size]
        position += size


def pushed(folder: Path) -> str | None:
    """Name of the recording up to which the run was pushed; None when none was, or not wholly."""
    record = read_json(_mark(folder))
    return None if record is None else record.get("recording")


def has_begun(folder: Path) -> bool:
    """Whether a push was ever begun: W&B may have a part of the run."""
    return _mark(folder).exists()


def mark_begun(folder: Path) -> None:
    """Remember in the run folder that W&B may have a part of the run from now on."""
    write_json_atomic(_mark(folder), {"recording": None})


def mark_pushed(folder: Path, recording: Recording, *, server: str) -> None:
    """Remember in the run folder, in one step, that W&B's `server` has all up to `recording`."""
    write_json_atomic(_mark(folder), {"recording": recording.name, "server": server})


def _mark(folder: Path) -> Path:
    return folder / "wandb" / "pushed.json"
