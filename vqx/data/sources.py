"""Where encoded images come from: one split of a data set, as a list of named files."""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from vqx.data.names import Names


class ImageSource(ABC):
    """The encoded images of one split, by index; small enough to be sent to worker processes.

    `root`: where they are, for messages; `names`: one for each image, in the order that indices
    mean, unique; `split`: train, validation or test; `together`: how many neighbours one process
    should read rather than several.
    """

    root: Path
    names: Sequence[str]
    split: str
    together: int = 1

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def open(self, index: int) -> BinaryIO:
        """The encoded image `index`, to be closed by the caller. Raises OSError."""

    @abstractmethod
    def sizes(self) -> list[int]:
        """Bytes of each encoded image, without opening it; -1 where nothing is there."""

    @cached_property
    def names_sha256(self) -> str:
        """Of the names, in their order."""
        digest = hashlib.sha256()
        for name in self.names:
            digest.update(name.encode("utf-8", "surrogateescape") + b"\0")
        return digest.hexdigest()

    @abstractmethod
    def fingerprint(self) -> str:
        """Text that differs where the images differ: from names, sizes and times of change.

        Opens no image, and does not depend on where the root is.
        """


@dataclass(frozen=True, init=False)
class FileSource(ImageSource):
    """Image files `names` below the folder `root`."""

    root: Path
    names: Sequence[str]
    split: str

    def __init__(self, root: Path, names: Iterable[str], split: str) -> None:
        object.__setattr__(self, "root", root)
        object.__setattr__(self, "names", names if isinstance(names, Names) else Names(names))
        object.__setattr__(self, "split", split)

    def open(self, index: int) -> BinaryIO:
        """See `ImageSource.open`."""
        return (self.root / self.names[index]).open("rb")

    def sizes(self) -> list[int]:
        """See `ImageSource.sizes`."""
        return [size for size, _ in self._states()]

    def fingerprint(self) -> str:
        """See `ImageSource.fingerprint`."""
        return fingerprint_of(self.names, self._states())

    def _states(self) -> list[tuple[int, int]]:
        folder = str(self.root)
        return [_state(f"{folder}/{name}") for name in self.names]


def _state(path: str) -> tuple[int, int]:
    """(bytes, nanoseconds of the last change) of a file."""
    try:
        found = os.stat(path)
    except OSError:
        return -1, 0
    return found.st_size, found.st_mtime_ns


def fingerprint_of(names: Iterable[str], states: Iterable[tuple[int, int]]) -> str:
    """SHA-256 of what identifies each image: its name, and numbers that tell its versions apart."""
    digest = hashlib.sha256()
    for name, state in zip(names, states, strict=True):
        digest.update(name.encode("utf-8", "surrogateescape"))
        digest.update(b"\0%d %d\n" % state)
    return digest.hexdigest()
