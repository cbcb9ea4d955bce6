"""Errors between a reconstruction and its image, in the model's space.

Axes: B images, C channels, H W pixels; float [-1, 1]. In [-1, 1] L1 is twice and L2 four times
what the metrics of those names print, which are on [0, 1].
"""

from torch import Tensor, nn


class L1(nn.Module):
    """Mean absolute error over all values."""

    def forward(self, reconstruction: Tensor, images: Tensor) -> Tensor:
        """The mean () float32 over (B, C, H, W)."""
        return (reconstruction.float() - images.float()).abs().mean()


class L2(nn.Module):
    """Mean squared error over all values."""

    def forward(self, reconstruction: Tensor, images: Tensor) -> Tensor:
        """The mean () float32 over (B, C, H, W)."""
        return (reconstruction.float() - images.float()).square().mean()
