"""Where encoded images come from: one split of a data set, as a list of named files."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


class ImageSource(ABC):
    """The encoded images of one split, by index; small enough to be sent to worker processes.

    `root`: where they are, for messages; `names`: one for each image, in the order that indices
    mean, unique; `split`: train, validation or test.
    """

    root: Path
    names: list[str]
    split: str

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def open(self, index: int) -> BinaryIO:
        """The encoded image `index`, to be closed by the caller. Raises OSError."""

    @abstractmethod
    def sizes(self) -> list[int]:
        """Bytes of each encoded image, without opening it; -1 where nothing is there."""


@dataclass(frozen=True)
class FileSource(ImageSource):
    """Image files `names` below the folder `root`."""

    root: Path
    names: list[str]
    split: str

    def open(self, index: int) -> BinaryIO:
        """See `ImageSource.open`."""
        return (self.root / self.names[index]).open("rb")

    def sizes(self) -> list[int]:
        """See `ImageSource.sizes`."""
        return [_size(self.root / name) for name in self.names]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
