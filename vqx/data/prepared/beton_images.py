"""Image sets of .beton files: raw windows copied out of the mapped file, JPEG decoded.

Axes: N images, C channels, H W pixels.
"""

from dataclasses import dataclass

import numpy as np

from vqx.data.prepared.beton_file import BetonFile
from vqx.data.prepared.stored_images import ThreadedImages
from vqx.data.prepared.stored_sets import StoredSplit
from vqx.data.reader import Broken, Position, Reader, cut
from vqx.errors import DataError


@dataclass(frozen=True, eq=False)
class BetonReader(Reader):
    """Reads images of `file`; image i is its sample `samples[i]`, without `samples` sample i."""

    file: BetonFile
    samples: np.ndarray | None
    about: StoredSplit
    channels: int
    image_size: int
    broken: Broken

    def __len__(self) -> int:
        return self.about.images

    def window(self, index: int, position: Position | None) -> np.ndarray:
        """See `Reader.window`; a view of the file if the image is raw."""
        if index in self.about.unreadable:
            raise ValueError(self.about.unreadable[index][1])
        sample = index if self.samples is None else int(self.samples[index])
        # Grey is stored three times.
        pixels = self.file.pixels(sample)[:, :, : self.channels]
        return cut(pixels, self.image_size, position)

    def name_of(self, index: int) -> str:
        """See `Reader.name_of`."""
        return self.about.name_of(index)

    def error(self, name: str, reason: str) -> DataError:
        """See `Reader.error`."""
        return self.about.error(name, reason)


class BetonImages(ThreadedImages):
    """The images of a .beton file, raw or JPEG."""

    def __init__(self, file: BetonFile, about: StoredSplit) -> None:
        about.check_size(file.smallest_side)
        stored = about.images - len(about.unreadable)
        if stored != len(file):
            raise DataError(
                f"{file.path} holds {len(file)} images, its manifest says {stored}: prepare the "
                "data again"
            )
        super().__init__(
            BetonReader(
                file, about.samples(), about, about.channels, about.image_size, about.broken
            ),
            about,
        )
