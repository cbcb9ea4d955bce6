"""Pixel errors of reconstructions, on rounded uint8.

Axes: B images, C channels, H W pixels.
"""

import math

import torch
from torch import Tensor

from vqx.metrics.base import Measurement, Metric, float_sum, integer_sum
from vqx.metrics.ssim import WINDOW, structural_similarity

PEAK = 255


class ImageErrors(Metric):
    """`l1`, `l2` on [0, 1], `psnr` and `ssim` per image then mean, and `psnr_global`.

    PSNR would be infinite for an identical image and make every mean so. Such an image counts as
    if one value of it were off by one grey level, the smallest error there is, so the order of
    images by PSNR stays; `psnr_global` treats the whole set alike.
    """

    keys = ("l1", "l2", "psnr", "psnr_global", "ssim")
    per_image_keys = ("l1", "l2", "psnr", "ssim")
    smallest_image = WINDOW

    def __init__(self) -> None:
        integers = ("images", "values", "squared")
        floats = ("l1", "l2", "psnr", "ssim")
        super().__init__(
            {name: integer_sum() for name in integers} | {name: float_sum() for name in floats}
        )

    def compute(self) -> dict[str, Measurement]:
        """l1, l2 in [0, 1]; PSNR in dB; SSIM in [-1, 1]."""
        images = self._count("images")
        mean = {name: float(self.sums[name]) / images for name in ("l1", "l2", "psnr", "ssim")}
        global_error = max(int(self.sums["squared"]), 1) / int(self.sums["values"])
        rounded = "uint8 after rounding"
        per_image = f"per image, then mean; {rounded}, range {PEAK}"
        floor = "identical counts as one value off by 1"
        unit = f"{rounded}, scaled to [0, 1]; {images} images"
        window = "Gaussian window 11, sigma 1.5, no padding"
        return {
            "l1": Measurement(mean["l1"], f"mean absolute error; {unit}", "lower"),
            "l2": Measurement(mean["l2"], f"mean squared error; {unit}", "lower"),
            "psnr": Measurement(mean["psnr"], f"{per_image}; {floor}; {images} images", "higher"),
            "psnr_global": Measurement(
                10 * math.log10(PEAK**2 / global_error),
                f"of the set's mean squared error; {rounded}, range {PEAK}; {floor}; "
                f"{images} images",
                "higher",
            ),
            "ssim": Measurement(mean["ssim"], f"{per_image}; {window}; {images} images", "higher"),
        }

    def image_bytes(self, height: int, width: int, channels: int) -> int:
        """The windows of a blur, float64, beside each other."""
        return 8 * WINDOW * channels * height * width

    def _add(self, real: Tensor, fake: Tensor, codes: Tensor) -> None:
        difference = (real.int() - fake.int()).flatten(1)  # (B, C H W)
        values = difference.shape[1]
        squared = difference.square().sum(1)  # (B,) int64, exact
        mean_squared = squared.double() / values
        floored = squared.clamp(min=1).double() / values
        sums = self.sums
        sums["images"] += len(difference)
        sums["values"] += difference.numel()
        sums["squared"] += squared.sum()
        self._sum_up("l1", difference.abs().sum(1).double() / values / PEAK)
        self._sum_up("l2", mean_squared / PEAK**2)
        self._sum_up("psnr", 10 * torch.log10(PEAK**2 / floored))
        self._sum_up("ssim", structural_similarity(real, fake))
