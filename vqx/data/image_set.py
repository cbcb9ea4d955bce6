"""What a data set is to the rest of vqx: uint8 images of one size, read by index.

Axes: B global batch, b rows of one read, C channels, H W pixels, N images of a set.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Views:
    """Which images to read and how to see each of them.

    `indices` (b,) int64; `position` (b, 2) float64 in [0, 1): where the window lies between top and
    bottom, left and right, None for the centre; `flip` (b,) bool: mirror it, None for never.
    """

    indices: Tensor
    position: Tensor | None = None
    flip: Tensor | None = None

    def rows(self, rows: slice) -> "Views":
        """The views of a contiguous part of the batch."""
        position = None if self.position is None else self.position[rows]
        flip = None if self.flip is None else self.flip[rows]
        return Views(self.indices[rows], position, flip)


class ImageSet(ABC):
    """Images of one split of one data set, seen as uint8 (channels, image_size, image_size).

    `description` is the protocol text for the stamp of metrics computed on this set: source,
    resize filter, crop.
    """

    name: str
    split: str
    channels: int
    image_size: int
    description: str

    @abstractmethod
    def __len__(self) -> int:
        """Number of images, unreadable ones included."""

    @abstractmethod
    def read(
        self, views: Iterable[Views], *, workers: int = 0
    ) -> Generator[Tensor | None, None, None]:
        """One answer for each of `views`, in order: uint8 (b, C, H, W) on the CPU.

        `workers` processes read ahead where reading is slow; their number changes no pixel. Rows
        of images left out are missing; None stands for a batch of which nothing is left. Closing
        the generator ends the workers.
        """

    @property
    def fingerprint(self) -> str | None:
        """Text that differs wherever the images differ, cheap to have; None: not known."""
        return None

    @property
    def contents(self) -> dict[str, str]:
        """What must not change while a run uses this set, by what it is of; cheap to have.

        Sets of the same images agree in the keys that both have, whichever loader reads them.
        """
        return {"number": f"{len(self)} images", "protocol": self.description}

    @property
    def left_out(self) -> list[str]:
        """Names, sorted, of the images that this process found unreadable and did without."""
        return []


@dataclass(frozen=True, slots=True)
class Data:
    """A data set as a run uses it: two image sets of one shape, and how training looks at them.

    `flip`: mirror half of the training images; `random_crop`: cut the window at random instead of
    at the centre; `shuffle`: a new order each epoch; `workers`: reading processes, or
    threads, of each rank; `loader`: which reads the images, and why if that was chosen.
    """

    train: ImageSet
    evaluation: ImageSet
    name: str
    channels: int
    image_size: int
    flip: bool = False
    random_crop: bool = False
    shuffle: bool = True
    workers: int = 0
    loader: str = "memory"
