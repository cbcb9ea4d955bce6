"""Image sets of .beton files: raw windows copied out of the mapped file, JPEG decoded.

Axes: N images, C channels, H W pixels.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vqx.data.prepared.beton_file import BetonFile
from vqx.data.prepared.small_images import SmallImages
from vqx.data.prepared.stored_images import SplitReader, ThreadedImages
from vqx.data.prepared.stored_sets import StoredSplit
from vqx.data.reader import Broken
from vqx.errors import DataError


@dataclass(frozen=True, eq=False)
class BetonReader(SplitReader):
    """Reads images of `file`; image i is its sample `samples[i]`, without `samples` sample i."""

    file: BetonFile
    samples: np.ndarray | None
    about: StoredSplit
    channels: int
    image_size: int
    broken: Broken

    @cached_property
    def _small(self) -> SmallImages | None:  # type: ignore[override]
        if self.samples is not None or self.file.decoder is not None:
            return None
        return SmallImages.found(
            self.file.content,
            self.file.samples,
            place="data_ptr",
            size=self.image_size,
            stored=3,
            channels=self.channels,
            order="HWC",
        )

    def _pixels(self, index: int) -> np.ndarray:
        sample = index if self.samples is None else int(self.samples[index])
        # Grey is stored three times.
        return self.file.pixels(sample)[:, :, : self.channels]


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
