"""What a metric is: sums over images, added over ranks, read as stamped measurements.

Axes: B images, C channels, H W pixels, h w latent positions.
"""

import copy
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import torch
from torch import Tensor

from vqx.collectives import gather_rows, sum_over_ranks
from vqx.errors import DataError
from vqx.metrics.rows import rows_at_once

if TYPE_CHECKING:
    from vqx.data import ImageSet


@dataclass(frozen=True, slots=True)
class Measurement:
    """A number with the protocol that gave it; `better` is the direction of improvement."""

    value: float
    stamp: str
    better: Literal["higher", "lower"] | None

    def to_dict(self) -> dict[str, Any]:
        """As result.json holds it."""
        return asdict(self)


class Metric(ABC):
    """Sums that grow by `update`, are added over ranks once by `merge`, and read by `compute`.

    What is computed of is float64 or int64 sums, so a rank may have seen any number of images,
    none included, and nothing is padded or counted twice. Beside them stand the values of each
    image, by `per_image_keys`, to compare two tokenizers image by image.
    """

    keys: tuple[str, ...]
    per_image_keys: tuple[str, ...] = ()
    smallest_image: int = 1
    final_only: bool = False  # too slow for evaluations during training

    def __init__(self, sums: dict[str, Tensor]) -> None:
        self.sums = sums
        self._merged = False
        self._kept: dict[str, list[Tensor]] = {}

    @property
    def per_image(self) -> dict[str, Tensor]:
        """Values (N,) float32 of each image by key: this rank's in order, all ranks' once merged.

        Ranks that saw contiguous parts in their order give the order of the whole set.
        """
        none = torch.zeros(0, device=next(iter(self.sums.values())).device)
        return {key: torch.cat([none, *self._kept.get(key, ())]) for key in self.per_image_keys}

    def start(self, images: "ImageSet") -> None:  # noqa: B027 - most metrics need no start
        """Learn which `images` the updates will bring, all of them once, over all ranks.

        Every rank calls it between `reset` and the first update, or none does. What is known of
        them from before need not be computed again.
        """

    def sibling(self) -> Self:
        """A metric of other reconstructions of the same images, with sums of its own.

        It has the same networks, and sees the real images that this one sees: it is updated,
        merged and read after this one, and takes from it what is of them alone.
        """
        twin = copy.copy(self)
        twin.reset()
        return twin

    def image_bytes(self, height: int, width: int, channels: int) -> int:
        """Bytes of the largest tensor an image of this size needs, which bounds a call's images."""
        return height * width * channels

    def update(self, real: Tensor, fake: Tensor, codes: Tensor) -> None:
        """Add images `real` and reconstructions `fake` (B, C, H, W) uint8, codes (B, h, w) int64.

        Raises DataError for images that are too small for this metric.
        """
        assert not self._merged, "update after merge would count other ranks' images again"
        assert real.dtype == fake.dtype == torch.uint8, "metrics see rounded images only"
        assert real.shape == fake.shape, f"{tuple(real.shape)} against {tuple(fake.shape)}"
        if min(real.shape[-2:]) < self.smallest_image:
            raise DataError(self.too_small(real.shape[-2], real.shape[-1]))
        if real.shape[0] == 0:
            return
        height, width = real.shape[-2:]
        rows = rows_at_once(self.image_bytes(height, width, real.shape[1]), real.device)
        with torch.no_grad(), torch.autocast(real.device.type, enabled=False):
            for first in range(0, len(real), rows):
                part = slice(first, first + rows)
                self._add(real[part], fake[part], codes[part])

    def merge(self) -> None:
        """Add the sums of all ranks; every rank calls it once, after its last update."""
        assert not self._merged, "merged twice, every image would count once a rank too often"
        self._kept = {key: [gather_rows(values)] for key, values in self.per_image.items()}
        self.sums = {name: sum_over_ranks(value) for name, value in self.sums.items()}
        self._merged = True

    @abstractmethod
    def compute(self) -> dict[str, Measurement]:
        """The measurements of all images added, by key. Raises DataError without images."""

    def reset(self) -> None:
        """Forget all images."""
        self.sums = {name: torch.zeros_like(value) for name, value in self.sums.items()}
        self._merged = False
        self._kept = {}

    def to(self, device: torch.device | str) -> Self:
        """Move the sums (and a network, if there is one) to `device`; returns itself."""
        self.sums = {name: value.to(device) for name, value in self.sums.items()}
        return self

    def too_small(self, height: int, width: int) -> str:
        """The message for images of `height` x `width` pixels that this metric cannot take."""
        return (
            f"{', '.join(self.keys)} of {height}x{width} px images: at least "
            f"{self.smallest_image}x{self.smallest_image} px are needed; leave it out of `metrics`"
        )

    @abstractmethod
    def _add(self, real: Tensor, fake: Tensor, codes: Tensor) -> None: ...

    def _sum_up(self, name: str, values: Tensor) -> None:
        """Add the float64 `values` (B,) to the sum `name`, and keep each if it is of an image."""
        self.sums[name] += values.sum()
        if name in self.per_image_keys:
            self._kept.setdefault(name, []).append(values.float())

    def _count(self, name: str, *, at_least: int = 1) -> int:
        count = int(self.sums[name])
        if count < at_least:
            raise DataError(
                f"{', '.join(self.keys)} of {count} images: at least {at_least} must be evaluated"
            )
        return count


def integer_sum(*shape: int) -> Tensor:
    """An int64 sum, still zero."""
    return torch.zeros(shape, dtype=torch.int64)


def float_sum(*shape: int) -> Tensor:
    """A float64 sum, still zero."""
    return torch.zeros(shape, dtype=torch.float64)
