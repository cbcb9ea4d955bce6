"""The patch discriminator of pix2pix (Isola et al. 2017, arXiv 1611.07004), as VQGAN uses it.

Axes: B images, C channels, H W pixels, h w patches; images float [-1, 1], logits (B, 1, h, w).
"""

from typing import Literal, get_args

from torch import Tensor, nn

from vqx.errors import ConfigError
from vqx.models.normalization import BatchNorm, group_norm

Norm = Literal["group", "batch", "none"]


class PatchDiscriminator(nn.Module):
    """A logit for each of many overlapping patches, 70x70 px with 3 `layers`.

    `layers` convolutions of stride 2, then two of stride 1; channels start at `width` and double up
    to 8 times that. `norm`: "group" (up to 32 groups), whose logits do not depend on the batch;
    "batch", as in the paper, over the images of all ranks; or "none". Weights start as N(0, .02).
    """

    def __init__(
        self,
        image_channels: int,
        image_size: int | None = None,
        *,
        width: int = 64,
        layers: int = 3,
        norm: Norm = "group",
    ) -> None:
        """Raises ConfigError for an unknown norm, or when no patch fits into `image_size`."""
        super().__init__()
        _check(image_size, width=width, layers=layers, norm=norm)
        self.batch_statistics = norm == "batch"
        # pix2pix leaves the first layer without a norm.
        body: list[nn.Module] = [_convolution(image_channels, width, stride=2), nn.LeakyReLU(0.2)]
        for layer in range(1, layers + 1):
            before, after = (width * min(2**n, 8) for n in (layer - 1, layer))
            stride = 2 if layer < layers else 1
            # Batch norm would take a bias away again.
            body.append(_convolution(before, after, stride=stride, bias=norm != "batch"))
            body += [*_norm(norm, after), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*body)
        self.head = _convolution(after, 1, stride=1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 1, h, w) of `images` (B, C, H, W)."""
        logits: Tensor = self.head(self.body(images))
        return logits


def _check(image_size: int | None, *, width: int, layers: int, norm: str) -> None:
    if norm not in get_args(Norm):
        raise ConfigError(f"norm {norm!r}: choose one of {', '.join(get_args(Norm))}")
    if width < 1 or layers < 1:
        raise ConfigError(f"width {width}, layers {layers}: use 1 or more")
    smallest = 3 * 2**layers  # each 4x4 convolution of stride 1 takes a pixel off
    if image_size is not None and image_size < smallest:
        raise ConfigError(
            f"images of {image_size} px are too small for a patch discriminator of {layers} "
            f"layers, which needs {smallest} px: use fewer layers"
        )


def _convolution(
    in_channels: int, out_channels: int, *, stride: int, bias: bool = True
) -> nn.Conv2d:
    convolution = nn.Conv2d(in_channels, out_channels, 4, stride=stride, padding=1, bias=bias)
    nn.init.normal_(convolution.weight, std=0.02)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return convolution


def _norm(norm: Norm, channels: int) -> list[nn.Module]:
    if norm == "none":
        return []
    layer = group_norm(channels) if norm == "group" else BatchNorm(channels)
    nn.init.normal_(layer.weight, mean=1.0, std=0.02)
    return [layer]
