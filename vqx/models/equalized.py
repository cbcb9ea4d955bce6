"""Layers of equalised learning rate: unit normal weights, scaled in each forward pass.

The scale is what another network's initialisation would have been, so that Adam moves every layer
by the same relative amount (Karras et al. 2018, arXiv 1710.10196). Axes: B images, C channels, H W
pixels.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class EqualizedConv2d(nn.Module):
    """Convolution of equalised learning rate; bias starts at 0."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.scale = 1 / math.sqrt(in_channels * kernel_size**2)
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """(B, out_channels, H', W') from `x` (B, in_channels, H, W)."""
        return F.conv2d(
            x, self.weight * self.scale, self.bias, stride=self.stride, padding=self.padding
        )


class EqualizedLinear(nn.Module):
    """Linear layer of equalised learning rate; bias starts at 0."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features))
        self.bias = nn.Parameter(torch.zeros(out_features))
        self.scale = 1 / math.sqrt(in_features)

    def forward(self, x: Tensor) -> Tensor:
        """(B, out_features) from `x` (B, in_features)."""
        return F.linear(x, self.weight * self.scale, self.bias)


class ScaledLeakyReLU(nn.Module):
    """sqrt(2) times leaky ReLU of slope .2, which roughly keeps the mean square."""

    def forward(self, x: Tensor) -> Tensor:
        """Shaped like `x`."""
        return F.leaky_relu(x, 0.2) * math.sqrt(2)
