"""What the image sets of a prepared split have in common: which images it lacks, and its texts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vqx.data.reader import Broken
from vqx.errors import DataError


@dataclass(frozen=True, slots=True)
class StoredSplit:
    """One split as a loader opens it.

    `name` of the data set; `file` it is read from, for messages; `images` N, unreadable ones
    included; `unreadable`: index -> (name, reason) of those that were not stored; `broken`: what
    they do, see `Reader`; `description`, `fingerprint` and the rest as of `ImageSet`; `origin`:
    what its `contents` have besides.
    """

    name: str
    split: str
    file: Path
    images: int
    image_size: int
    channels: int
    description: str
    fingerprint: str
    broken: Broken
    unreadable: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.unreadable and self.broken == "stop":
            index = min(self.unreadable)
            name, reason = self.unreadable[index]
            raise DataError(
                f"{len(self.unreadable)} images of the {self.split} split could not be read when "
                f"{self.file} was prepared, the first is {name} ({reason}): set data.broken=skip, "
                "or repair them and prepare the data again"
            )
        if len(self.unreadable) >= self.images:
            raise DataError(f"{self.file} holds no images: prepare the data again")

    def samples(self) -> np.ndarray | None:
        """Which stored sample (N,) int64 image i is, -1: not stored; None: sample i for each."""
        if not self.unreadable:
            return None
        stored = np.ones(self.images, bool)
        stored[list(self.unreadable)] = False
        return np.where(stored, np.cumsum(stored) - 1, -1)

    def name_of(self, index: int) -> str:
        """For messages; of images that were stored no names are kept."""
        return self.unreadable[index][0] if index in self.unreadable else f"image {index}"

    def error(self, name: str, reason: str) -> DataError:
        """What to raise for an image that turns out to be damaged."""
        return DataError(
            f"{name} in {self.file} cannot be read ({reason}): prepare the data again, or set "
            "data.broken=skip"
        )

    def check_size(self, smallest_side: int) -> None:
        """Raise DataError where not every image holds a window."""
        if smallest_side < self.image_size:
            raise DataError(
                f"{self.file} has an image with a side of {smallest_side} pixels, "
                f"data.image_size={self.image_size} is more: lower it, or prepare the data again"
            )
