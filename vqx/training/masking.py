"""Masked training: patches of the input are dropped, the loss is against the whole image.

As in MinVQVAE. Axes: B images, C channels, H W pixels, P side of a patch.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vqx.metrics.content import mixed

# What a dropped pixel is: the middle of [-1, 1].
MASKED = 0.0


@dataclass(frozen=True, slots=True)
class PatchMask:
    """Drops each `patch` x `patch` square of an image with probability `share`."""

    share: float
    patch: int

    @property
    def stamp(self) -> str:
        """What was done to the input of a masked evaluation."""
        size = f"{self.patch}x{self.patch}"
        return f"input with {self.share:.0%} of its {size} patches dropped, against the whole image"

    def draw(self, images: int, size: tuple[int, int], *, generator: torch.Generator) -> Tensor:
        """Patches to keep, bool (images, 1, H/P, W/P) on the CPU, for images of `size` (H, W)."""
        return torch.rand(images, *self._grid(size), generator=generator) >= self.share

    def of_content(self, images: Tensor) -> Tensor:
        """Patches to keep of uint8 `images` (B, C, H, W), a function of each image alone.

        So an evaluation drops the same patches whatever its batches, ranks and order.
        """
        grid = self._grid((images.shape[-2], images.shape[-1]))
        pixels = images[0].numel()
        weights = mixed(torch.arange(1, pixels + 1, device=images.device)) & 0xFFFFF
        names = (images.flatten(1).long() * weights).sum(1)  # (B,)
        places = torch.arange(grid[1] * grid[2], device=images.device)
        drawn = mixed(mixed(names)[:, None] + places) & 0xFFFFFF  # 24 bits: exact in float32
        return (drawn.float() / 2**24 >= self.share).view(-1, *grid)

    def apply(self, images: Tensor, kept: Tensor) -> Tensor:
        """`images` (B, C, H, W) float [-1, 1] with all patches but the `kept` ones at 0."""
        whole = F.interpolate(kept.to(images), scale_factor=self.patch, mode="nearest")
        return torch.where(whole[..., : images.shape[2], : images.shape[3]] > 0, images, MASKED)

    def _grid(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """(1, rows, columns) of patches; the last ones may reach beyond the image."""
        return 1, -(-size[0] // self.patch), -(-size[1] // self.patch)
