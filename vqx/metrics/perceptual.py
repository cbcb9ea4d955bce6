"""LPIPS as a metric.

Axes: B images, C channels, H W pixels.
"""

from pathlib import Path
from typing import Literal, Self

import torch
from torch import Tensor

from vqx.metrics.base import Measurement, Metric, float_sum, integer_sum
from vqx.metrics.pixels import to_unit_range
from vqx.metrics.rows import place_network
from vqx.pretrained import perceptual_distance, weights_digest


class Lpips(Metric):
    """`lpips` v0.1 per image then mean, on rounded images in [-1, 1]; grey is repeated to RGB.

    `alex` is the network of reported numbers, `vgg` that of losses. Raises WeightsMissing.
    """

    keys = ("lpips",)
    per_image_keys = ("lpips",)

    def __init__(
        self,
        net: Literal["alex", "vgg"] = "alex",
        *,
        weights: str | Path | None = None,
        cache_dir: str | Path | None = None,
    ) -> None:
        super().__init__({"images": integer_sum(), "lpips": float_sum()})
        self.net = net
        self._network, path = perceptual_distance(net, weights=weights, cache_dir=cache_dir)
        self._sha256 = weights_digest(path)
        self.smallest_image = self._network.features.smallest_image

    def compute(self) -> dict[str, Measurement]:
        """The mean distance, from 0 up."""
        images = self._count("images")
        stamp = (
            f"{self.net} v0.1, weights {self._sha256[:8]}; [-1, 1] after rounding to uint8; "
            f"per image, then mean; {images} images"
        )
        return {"lpips": Measurement(float(self.sums["lpips"]) / images, stamp, "lower")}

    def to(self, device: torch.device | str) -> Self:
        """Move the sums and the network to `device`; returns itself."""
        place_network(self._network, device)
        return super().to(device)

    def image_bytes(self, height: int, width: int, channels: int) -> int:
        """The first convolution's activations; LPIPS keeps those of all stages."""
        return self._network.features.image_bytes(height, width)

    def _add(self, real: Tensor, fake: Tensor, codes: Tensor) -> None:
        distance = self._network(to_unit_range(fake), to_unit_range(real))  # (B,)
        self.sums["images"] += len(distance)
        self._sum_up("lpips", distance.double())
