"""How far a preparation has come: what the same command goes on from after any kind of end.

A line of JSON for what is prepared, then one for each checkpoint. What a line tells of is on disk
before the line is.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vqx.data.prepared.manifest import Unreadable

JOURNAL = "preparation.journal"


@dataclass(slots=True)
class Progress:
    """How far one split is: `images` of the source done, its file `position` bytes long."""

    images: int = 0
    position: int = 0
    unreadable: list[Unreadable] = field(default_factory=list)


class Journal:
    """The journal of `folder`. `identity`: what is prepared, plain values of JSON.

    `progress` is empty unless an earlier preparation of the same was there; `other` says what an
    earlier one that cannot be gone on with was.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self.path = folder / JOURNAL
        self.progress: dict[str, Progress] = {}
        self.other: dict[str, Any] | None = None
        lines, whole = _read(self.path)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self.path, flags, 0o666)
        if lines and lines[0] == identity:
            os.ftruncate(self._descriptor, whole)
            for line in lines[1:]:
                self._take(line)
            return
        self.other = lines[0] if lines else None
        os.ftruncate(self._descriptor, 0)
        self._append(identity)

    def of(self, split: str) -> Progress:
        """The progress of `split`, to be changed by `checkpoint` alone."""
        return self.progress.get(split) or Progress()

    def forget(self, split: str) -> None:
        """Begin `split` anew: what the journal tells of is not there any more."""
        self._append({"split": split, "forget": True})
        self.progress.pop(split, None)

    def checkpoint(
        self, split: str, *, images: int, position: int, unreadable: list[Unreadable]
    ) -> None:
        """Note that `images` of `split` are on disk; `unreadable`: those since the last time."""
        line = {
            "split": split,
            "images": images,
            "position": position,
            "unreadable": [asdict(one) for one in unreadable],
        }
        self._append(line)
        self._take(line)

    def close(self) -> None:
        """Close the file, which stays."""
        os.close(self._descriptor)

    def _take(self, line: Mapping[str, Any]) -> None:
        if line.get("forget"):
            self.progress.pop(line["split"], None)
            return
        progress = self.progress.setdefault(line["split"], Progress())
        progress.images, progress.position = line["images"], line["position"]
        progress.unreadable += [Unreadable(**one) for one in line["unreadable"]]

    def _append(self, line: Mapping[str, Any]) -> None:
        rest = memoryview((json.dumps(line) + "\n").encode())
        before = os.fstat(self._descriptor).st_size
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, before)
            raise


def _read(path: Path) -> tuple[list[Any], int]:
    """The lines before the first that is torn, and their bytes."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    lines: list[Any] = []
    whole = 0
    for line in content.splitlines(keepends=True):
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
        if not line.endswith(b"\n"):
            lines.pop()
            break
        whole += len(line)
    return lines, whole
