"""Filtered resampling of images, in plain PyTorch.

Axes: B images, C channels, H W pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def binomial_filter(order: int = 3) -> Tensor:
    """Coefficients (order + 1,) float32 of (1 + x)^order, of sum 1: [1, 3, 3, 1] / 8 for 3."""
    taps = torch.ones(1, 1, 1)
    for _ in range(order):
        taps = F.conv1d(taps, torch.ones(1, 1, 2), padding=1)
    return taps.flatten() / taps.sum()


def upfirdn(
    x: Tensor,
    taps: Tensor,
    *,
    up: int = 1,
    down: int = 1,
    padding: tuple[int, int] = (0, 0),
) -> Tensor:
    """`x` (B, C, H, W) upsampled, padded, filtered and downsampled, alike along H and W.

    Per axis: up - 1 zeros after each value; `padding` zeros before and after (negative: cropped);
    convolution with `taps` (n,), of which only whole overlaps are kept; each `down`-th value from
    the first. H becomes floor((H up + padding - n) / down) + 1 (Karras et al. 2020, arXiv
    1912.04958; the filter is the outer product of `taps` with itself). Differentiable twice.
    """
    x = _insert_zeros(x, up)
    before, after = padding
    x = F.pad(x, (before, after, before, after))
    # conv2d correlates: flipped taps make it a convolution.
    flipped = taps.flip(0).to(x.dtype)
    kernel = torch.outer(flipped, flipped).expand(x.shape[1], 1, -1, -1)
    return F.conv2d(x, kernel, stride=down, groups=x.shape[1])


def _insert_zeros(x: Tensor, up: int) -> Tensor:
    """`x` (B, C, H, W) as (B, C, H up, W up), with zeros after each value along both axes."""
    if up == 1:
        return x
    height, width = x.shape[2:]
    spread = F.pad(x[:, :, :, None, :, None], (0, up - 1, 0, 0, 0, up - 1))
    return spread.reshape(*x.shape[:2], height * up, width * up)
