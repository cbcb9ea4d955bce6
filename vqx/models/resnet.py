"""The residual autoencoder of VQGAN (arXiv 2012.09841) and MaskGIT (arXiv 2202.04200).

Shapes: images (B, C, H, W), latents (B, D, h, w) with h = H / downsampling.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from vqx.errors import ConfigError
from vqx.models.attention import GridAttention
from vqx.models.normalization import group_norm
from vqx.models.sizes import halvings, require_switch, require_whole

_WIDEST = 8  # multiplier of the deepest levels when none are given


class ResidualBlock(nn.Module):
    """x + conv3x3(silu(norm(conv3x3(silu(norm(x)))))); a 1x1 convolution on x if widths differ."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            group_norm(before),
            nn.SiLU(),
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            group_norm(after),
            nn.SiLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
        )
        same = before == after
        self.shortcut = nn.Identity() if same else nn.Conv2d(before, after, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output (B, after, h, w) of `x` (B, before, h, w)."""
        return self.shortcut(x) + self.body(x)


@dataclass(frozen=True, slots=True)
class ResnetShape:
    """Size of an encoder or decoder.

    width: channels at the image's own resolution. multipliers: of it, one a halving, from the image
    inwards; None for 1, 2, 4, 8, 8, ... as far as `downsampling` asks. blocks: residual blocks a
    level, and at the latents' resolution. attention: after each block at the latents' resolution.
    upsampling_convolution: 3x3, after each doubling.

    Raises ConfigError for a downsampling that is no power of two, or multipliers that do not fit.
    """

    downsampling: int = 16
    width: int = 64
    multipliers: Sequence[int] | None = None
    blocks: int = 2
    attention: bool = False
    upsampling_convolution: bool = False

    def __post_init__(self) -> None:
        count = halvings(self.downsampling)
        require_whole(width=self.width, blocks=self.blocks)
        require_switch(attention=self.attention)
        require_switch(upsampling_convolution=self.upsampling_convolution)
        if self.multipliers is None:
            return
        require_whole(**{f"multipliers[{i}]": m for i, m in enumerate(self.multipliers)})
        if len(self.multipliers) != count:
            raise ConfigError(
                f"model.multipliers {list(self.multipliers)}: give {count} for downsampling "
                f"{self.downsampling}, one a halving, or null"
            )

    def widths(self) -> list[int]:
        """Channels of each level, from the image inwards."""
        doubled = [min(2**level, _WIDEST) for level in range(halvings(self.downsampling))]
        multipliers = doubled if self.multipliers is None else self.multipliers
        return [self.width * multiplier for multiplier in multipliers]

    def level(self, before: int, after: int) -> list[nn.Module]:
        """The residual blocks of one resolution, from `before` to `after` channels."""
        inputs = [before] + [after] * (self.blocks - 1)
        return [ResidualBlock(channels, after) for channels in inputs]

    def middle(self, channels: int) -> list[nn.Module]:
        """The blocks at the latents' resolution."""
        layers: list[nn.Module] = []
        for block in self.level(channels, channels):
            layers += [block, GridAttention(channels)] if self.attention else [block]
        return layers

    def upsampling(self, channels: int) -> list[nn.Module]:
        """Each position copied to 2x2, and the convolution after it."""
        doubling = nn.Upsample(scale_factor=2, mode="nearest")
        if not self.upsampling_convolution:
            return [doubling]
        return [doubling, nn.Conv2d(channels, channels, 3, padding=1)]


class ResnetEncoder(nn.Module):
    """Residual blocks and 2x2 average pooling level by level, then a 1x1 convolution."""

    batch_statistics = False

    def __init__(self, image_channels: int, latent_channels: int, shape: ResnetShape) -> None:
        super().__init__()
        channels = shape.width
        layers: list[nn.Module] = [nn.Conv2d(image_channels, channels, 3, padding=1, bias=False)]
        for width in shape.widths():
            layers += [*shape.level(channels, width), nn.AvgPool2d(2)]
            channels = width
        layers += shape.middle(channels)
        layers += [group_norm(channels), nn.SiLU(), nn.Conv2d(channels, latent_channels, 1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Latents (B, D, h, w) of images `x` (B, C, H, W) in [-1, 1]."""
        return self.layers(x)


class ResnetDecoder(nn.Module):
    """The encoder's mirror, with nearest-neighbour upsampling; `tanh` bounds the image."""

    batch_statistics = False

    def __init__(
        self, output_channels: int, latent_channels: int, shape: ResnetShape, *, tanh: bool
    ) -> None:
        super().__init__()
        *outer, channels = [shape.width, *shape.widths()]
        layers: list[nn.Module] = [nn.Conv2d(latent_channels, channels, 3, padding=1)]
        layers += shape.middle(channels)
        for width in reversed(outer):
            layers += [*shape.level(channels, width), *shape.upsampling(width)]
            channels = width
        self.body = nn.Sequential(*layers, group_norm(channels), nn.SiLU())
        last = nn.Conv2d(channels, output_channels, 3, padding=1)
        self.head = nn.Sequential(last, nn.Tanh()) if tanh else last

    def forward(self, latents: Tensor) -> Tensor:
        """Images (B, C, H, W), in [-1, 1] with tanh, from latents (B, D, h, w)."""
        return self.head(self.body(latents))


def resnet_autoencoder(
    *,
    image_channels: int,
    latent_channels: int,
    output_channels: int | None = None,
    downsampling: int = 16,
    width: int = 64,
    multipliers: Sequence[int] | None = None,
    blocks: int = 2,
    attention: bool = False,
    upsampling_convolution: bool = False,
    tanh: bool = False,
) -> tuple[ResnetEncoder, ResnetDecoder]:
    """The encoder and decoder of one autoencoder; see ResnetShape.

    The decoder gives `output_channels`, None for as many as the image has; `tanh` bounds them to
    [-1, 1]. Raises ConfigError where tanh would bound logits: outputs that are no image.
    """
    require_switch(tanh=tanh)
    if tanh and output_channels not in (None, image_channels):
        raise ConfigError("model.tanh would bound a categorical loss's logits: set it to false")
    shape = ResnetShape(downsampling, width, multipliers, blocks, attention, upsampling_convolution)
    encoder = ResnetEncoder(image_channels, latent_channels, shape)
    outputs = output_channels or image_channels
    return encoder, ResnetDecoder(outputs, latent_channels, shape, tanh=bool(tanh))
