"""A file that only grows, from a known position on, and gets its name when it is whole."""

import os
from pathlib import Path
from types import TracebackType


def part_of(path: Path) -> Path:
    """Where the file `path` grows."""
    return path.with_name(f"{path.name}.part")


class GrowingFile:
    """`path`.part, cut to `position` bytes and appended to; what is skipped reads as zeros.

    Nothing is buffered here: what `append` returned from is the operating system's.
    """

    def __init__(self, path: Path, position: int = 0) -> None:
        self.path = path
        self.position = position
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(part_of(path), flags, 0o666)
        os.ftruncate(self._descriptor, position)

    def append(self, content: bytes, *, at: int | None = None) -> None:
        """Write at the end, or `at` a position beyond it."""
        begin = self.position if at is None else at
        self.overwrite(content, at=begin)
        self.position = begin + len(content)

    def overwrite(self, content: bytes, *, at: int) -> None:
        """Write `at` a position, without moving the end."""
        rest = memoryview(content)
        while rest:
            written = os.pwrite(self._descriptor, rest, at)
            rest, at = rest[written:], at + written

    def sync(self) -> None:
        """Bring it to the disk."""
        os.fsync(self._descriptor)

    def __enter__(self) -> "GrowingFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)


def length(path: Path) -> int:
    """Bytes of the file `path`, -1 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
