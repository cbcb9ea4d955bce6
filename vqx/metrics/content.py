"""Hashes of what images show, by integer arithmetic that is the same on all devices.

Axes: B images, C channels, H W pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_WORD = 8  # bytes hashed at a time


def mixed(x: Tensor) -> Tensor:
    """A well spread hash of int64 `x`, equal on all devices (integer arithmetic wraps)."""
    x = x * 0x1B873593CC9E2D51
    x = (x ^ ((x >> 29) & 0x7FFFFFFFF)) * 0x2545F4914F6CDD1D
    return x ^ ((x >> 32) & 0xFFFFFFFF)


def content_hashes(images: Tensor) -> Tensor:
    """A hash (B,) int64 of each of the uint8 `images` (B, C, H, W)."""
    rows = images.flatten(1)
    rows = F.pad(rows, (0, -rows.shape[1] % _WORD)).contiguous()
    words = rows.view(torch.int64)  # (B, words)
    places = torch.arange(1, words.shape[1] + 1, device=images.device)
    return mixed(mixed(words ^ mixed(places)).sum(1))


def content_sum(images: Tensor) -> Tensor:
    """Sum () int64 of one hash an image of uint8 `images` (B, C, H, W).

    Sums of parts add up to that of the whole, in any order; they wrap around.
    """
    return content_hashes(images).sum()
