"""The last lines of metrics.jsonl, without reading what stands before them again."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_BLOCK = 1 << 16  # bytes: hundreds of lines
_FARTHEST = 1 << 22  # bytes to go back for an evaluation, on the first look alone


@dataclass(slots=True)
class MetricsTail:
    """The last record of each kind (train, evaluate) of a metrics.jsonl that grows.

    Later looks read what was appended; a file that was replaced or cut is read afresh.
    """

    path: Path
    last: dict[str, dict[str, Any]] = field(default_factory=dict)
    _inode: int = -1
    _offset: int = 0

    def update(self) -> None:
        """Take in what is new; a line that is still being written waits for the next look."""
        try:
            file = self.path.open("rb")
        except OSError:
            self.last, self._inode, self._offset = {}, -1, 0
            return
        with file:
            status = os.fstat(file.fileno())
            if status.st_ino != self._inode or status.st_size < self._offset:
                self.last, self._inode = {}, status.st_ino
                self._offset = self._first_look(file.fileno(), status.st_size)
            elif status.st_size > self._offset:
                new = os.pread(file.fileno(), status.st_size - self._offset, self._offset)
                self._take(new.split(b"\n")[:-1])
                self._offset += new.rfind(b"\n") + 1

    def _first_look(self, descriptor: int, size: int) -> int:
        """Go back from the end until both kinds were met; where the next look starts."""
        length = _BLOCK
        while True:
            start = max(0, size - length)
            block = os.pread(descriptor, size - start, start)
            lines = block.split(b"\n")
            self._take(lines[1 if start else 0 : -1])  # the first may lack its beginning
            if len(self.last) == 2 or start == 0 or length >= _FARTHEST:
                return start + block.rfind(b"\n") + 1
            length *= 4

    def _take(self, lines: list[bytes]) -> None:
        found: dict[str, dict[str, Any]] = {}
        for line in reversed(lines):
            kind = "evaluate" if b'"evaluate"' in line else "train"
            if kind in found:
                continue
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict) and record.get("kind") == kind:
                found[kind] = record
            if len(found) == 2:
                break
        self.last.update(found)
