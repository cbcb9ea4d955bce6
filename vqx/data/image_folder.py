"""Image files, decoded and resized by worker processes while training runs.

Axes: H W pixels, C channels.
"""

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Dataset

from vqx.data.decoding import is_grey
from vqx.data.listing import printable
from vqx.data.reader import Answer, Broken, Position, Reader, ReaderImages, Request
from vqx.data.recipe import Recipe
from vqx.data.sources import ImageSource
from vqx.data.worker_stream import WorkerStream
from vqx.errors import DataError


@dataclass(frozen=True)
class FileReader(Reader, Dataset[Answer]):
    """Decodes and resizes the images of `source` by `recipe`."""

    source: ImageSource
    recipe: Recipe
    image_size: int
    broken: Broken

    @property
    def channels(self) -> int:  # type: ignore[override]
        """Of the recipe."""
        return self.recipe.channels

    def __len__(self) -> int:
        return len(self.source)

    def window(self, index: int, position: Position | None) -> np.ndarray:
        """See `Reader.window`."""
        with self.source.open(index) as file:
            return self.recipe.window(file, self.image_size, position)

    def name_of(self, index: int) -> str:
        """See `Reader.name_of`."""
        return printable(self.source.names[index])

    def error(self, name: str, reason: str) -> DataError:
        """See `Reader.error`."""
        return DataError(
            f"image {printable(str(self.source.root))}/{name} cannot be read ({reason}): "
            "repair or remove it, or set data.broken=skip"
        )


class FolderImages(ReaderImages):
    """The encoded images of a split, short side resized to the recipe's size, then cut."""

    reader: FileReader

    def __init__(self, reader: FileReader, *, name: str, start_method: str | None = None) -> None:
        split, size = reader.source.split, reader.image_size
        super().__init__(
            reader,
            name=name,
            split=split,
            description=f"{name} {split}, {reader.recipe.description}, {size}x{size} centre crop",
        )
        self._start_method = start_method

    @property
    def fingerprint(self) -> str:
        """See `ImageSet.fingerprint`: names, sizes and times of the files, recipe and window."""
        source, recipe = self.reader.source.fingerprint(), self.reader.recipe
        return recipe.fingerprint(source, self.image_size)

    @property
    def contents(self) -> dict[str, str]:
        """See `ImageSet.contents`; no file is looked at."""
        return {**super().contents, "names": self.reader.source.names_sha256}

    def _answers(self, requests: Iterable[Request], workers: int) -> Generator[Answer, None, None]:
        stream = WorkerStream(
            self.reader, requests, workers=workers, start_method=self._start_method
        )
        with closing(stream):
            yield from stream


def guess_channels(source: ImageSource, *, count: int = 64) -> int:
    """1 if all readable headers among the first `count` images are grey, else 3."""
    readable = 0
    for index in range(min(count, len(source))):
        try:
            with source.open(index) as file:
                if not is_grey(file):
                    return 3
        except Exception:  # reported, if it must be, when the image itself is read
            continue
        readable += 1
    if not readable:
        raise DataError(
            f"none of the first {count} images in {source.root} can be read, among them "
            f"{printable(source.names[0])}: replace them by readable images, or set data.channels"
        )
    return 1
