"""StyleGAN2's residual discriminator (Karras et al. 2020, arXiv 1912.04958).

Axes: B images, C channels, H W pixels, G images of one group; images float [-1, 1], logits (B, 1).
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from vqx.errors import ConfigError
from vqx.models.equalized import EqualizedConv2d, EqualizedLinear, ScaledLeakyReLU
from vqx.models.resampling import binomial_filter, upfirdn


class StyleGAN2Discriminator(nn.Module):
    """One logit an image, from residual blocks that halve it down to 4x4.

    `width`: channels at 256 px; each halving of the size doubles them, up to `max_width`. The
    defaults are the paper's large network, 28.9 M parameters at 256 px. `group`: how many
    consecutive images (the last group may be smaller) share the feature that says how much they
    vary; 0 leaves it out. A batch divided over micro-batches or ranks gives the same logits when
    `group` divides each part's images.
    """

    batch_statistics = False

    def __init__(
        self,
        image_channels: int,
        image_size: int,
        *,
        width: int = 128,
        max_width: int = 512,
        group: int = 4,
    ) -> None:
        """Raises ConfigError unless `image_size` is a power of two from 8 on."""
        super().__init__()
        if image_size < 8 or image_size & (image_size - 1):
            raise ConfigError(
                f"images of {image_size} px: StyleGAN2's discriminator needs 8, 16, 32, ... px; "
                "resize them, or use vqx.models.patch_discriminator.PatchDiscriminator"
            )
        if width < 1 or max_width < 1 or group < 0:
            raise ConfigError(
                f"width {width}, max_width {max_width}, group {group}: widths must be 1 or more, "
                "group 0 or more"
            )
        sizes = [image_size >> halvings for halvings in range(image_size.bit_length() - 2)]
        widths = [max(1, min(max_width, width * 256 // size)) for size in sizes]  # down to 4 px
        self.from_image = _convolution(image_channels, widths[0], 1)
        self.blocks = nn.Sequential(*[_HalvingBlock(a, b) for a, b in pairwise(widths)])
        self.group = group
        self.deviation = MinibatchDeviation(group) if group else nn.Identity()
        last = widths[-1]
        self.head = nn.Sequential(
            _convolution(last + bool(group), last, 3),
            nn.Flatten(),
            EqualizedLinear(last * 16, last),
            ScaledLeakyReLU(),
            EqualizedLinear(last, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 1) of `images` (B, C, image_size, image_size)."""
        logits: Tensor = self.head(self.deviation(self.blocks(self.from_image(images))))
        return logits


class MinibatchDeviation(nn.Module):
    """Appends a channel: how much the images of a group differ (Karras et al. 2018).

    Groups are `group` consecutive images each, the last one what is left. The value is the standard
    deviation over a group's images, averaged over channels and positions.
    """

    def __init__(self, group: int = 4) -> None:
        super().__init__()
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        """(B, C + 1, H, W) of `x` (B, C, H, W), in its type."""
        whole = x.shape[0] // self.group * self.group
        parts = [x[:whole].unflatten(0, (-1, self.group))] if whole else []  # (n, G, C, H, W)
        if whole < x.shape[0]:
            parts.append(x[whole:][None])
        values = torch.cat([_deviation(part) for part in parts])  # (B,)
        channel = values.to(x.dtype)[:, None, None, None].expand(-1, 1, *x.shape[2:])
        return torch.cat([x, channel], dim=1)


def _deviation(x: Tensor) -> Tensor:
    """The mean deviation of each group of `x` (n, G, C, H, W), once for each image: (n G,)."""
    # In float32: the constant, which keeps the derivatives of the root finite, is 0 in fp16.
    variance = x.float().var(1, correction=0)
    values = (variance + 1e-8).sqrt().mean((1, 2, 3))
    return values.repeat_interleave(x.shape[1])


class _HalvingBlock(nn.Module):
    """(B, C, H, W) to (B, C', H / 2, W / 2): two convolutions beside a 1x1 one, both blurred."""

    taps: Tensor

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.register_buffer("taps", binomial_filter(3), persistent=False)
        self.first = _convolution(in_channels, in_channels, 3)
        self.second = nn.Sequential(
            EqualizedConv2d(in_channels, out_channels, 3, stride=2), ScaledLeakyReLU()
        )
        self.skip = EqualizedConv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        blurred = upfirdn(self.first(x), self.taps, padding=(2, 2))
        halved = upfirdn(x, self.taps, down=2, padding=(1, 1))
        out: Tensor = (self.second(blurred) + self.skip(halved)) / math.sqrt(2)
        return out


def _convolution(in_channels: int, out_channels: int, kernel_size: int) -> nn.Sequential:
    convolution = EqualizedConv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
    return nn.Sequential(convolution, ScaledLeakyReLU())
