"""The one rule by which reconstructions become pixels, for every metric and every picture.

Axes: B images, C channels, H W pixels.
"""

import torch
from torch import Tensor


def to_uint8(images: Tensor) -> Tensor:
    """Float images in [-1, 1] as uint8: clamped, scaled to [0, 255], rounded half to even.

    Truncating instead would darken every reconstruction by half a grey level. A uint8 image taken
    to [-1, 1] as x / 127.5 - 1 comes back exactly. NaN becomes 0.
    """
    scaled = (images.float().clamp(-1, 1) + 1) * 127.5
    return scaled.nan_to_num(0).round().to(torch.uint8)


def to_unit_range(images: Tensor) -> Tensor:
    """uint8 images as float32 in [-1, 1], which the networks of metrics and losses take."""
    return images.float() / 127.5 - 1
