"""The convolutional autoencoder of VQ-VAE (van den Oord et al. 2017, appendix; DeepMind sonnet).

Shapes: images (B, C, H, W), latents (B, D, h, w) with h = H / downsampling.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from vqx.errors import ConfigError
from vqx.models.initialization import kaiming_normal, weight_norm
from vqx.models.normalization import BatchNorm
from vqx.models.sizes import halvings, require_switch, require_whole

Norm = Literal["batch"]
Initialization = Literal["kaiming_normal"]


def normalization(norm: Norm | None, channels: int) -> list[nn.Module]:
    """The layers between a convolution and what follows: none, or a batch normalization."""
    return [] if norm is None else [BatchNorm(channels)]


class ResidualBlock(nn.Module):
    """x + conv1x1(relu(conv3x3(relu(x)))), shape kept; with `norm` after both convolutions."""

    def __init__(
        self, width: int, residual_width: int, *, norm: Norm | None = None, bias: bool = False
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(width, residual_width, 3, padding=1, bias=bias),
            *normalization(norm, residual_width),
            nn.ReLU(),
            nn.Conv2d(residual_width, width, 1, bias=bias),
            *normalization(norm, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, shaped like `x` (B, width, h, w)."""
        return x + self.body(x)


class Repeated(nn.Module):
    """One block applied `times` times in a row, with the same weights."""

    def __init__(self, block: nn.Module, times: int) -> None:
        super().__init__()
        self.block, self.times = block, times

    def forward(self, x: Tensor) -> Tensor:
        """`x` after the last pass."""
        for _ in range(self.times):
            x = self.block(x)
        return x


@dataclass(frozen=True, slots=True)
class ConvShape:
    """Size and kind of an encoder or decoder; `downsampling` 4 is f4, 8 is f8.

    widths: channels after each halving of the image, None for width / 2 and then width.
    norm: "batch" normalizes after every convolution but the last of encoder and decoder.
    share_residual: the residual blocks share one set of weights.

    Raises ConfigError for a downsampling that is no power of two, or widths that do not fit it.
    """

    downsampling: int = 4
    width: int = 128
    residual_blocks: int = 2
    residual_width: int = 32
    widths: Sequence[int] | None = None
    norm: Norm | None = None
    share_residual: bool | None = None

    def __post_init__(self) -> None:
        count = halvings(self.downsampling)
        require_whole(width=self.width, residual_width=self.residual_width)
        require_switch(share_residual=self.share_residual)
        if type(self.residual_blocks) is not int or self.residual_blocks < 0:
            got = repr(self.residual_blocks)
            raise ConfigError(f"model.residual_blocks must be a whole number from 0 on; got {got}")
        if self.norm not in (None, "batch"):
            raise ConfigError(f"model.norm must be null or batch; got {self.norm!r}")
        if self.widths is not None and not self._fits(list(self.widths), count):
            raise ConfigError(
                f"model.widths {list(self.widths)}: give {count} for downsampling "
                f"{self.downsampling}, the last of them model.width {self.width}"
            )

    def _fits(self, widths: list[int], count: int) -> bool:
        whole = all(type(width) is int and width > 0 for width in widths)
        return whole and len(widths) == count and widths[-1] == self.width

    def channels(self, image_channels: int) -> list[int]:
        """Channels from the image to the residual stack, one step a halving."""
        if self.widths is not None:
            return [image_channels, *self.widths]
        count = halvings(self.downsampling)
        narrow = [max(1, self.width // 2)] if count > 1 else []
        return [image_channels, *narrow, *[self.width] * max(1, count - 1)]

    def normalized(self, convolution: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
        """The convolution and its normalization."""
        return [convolution, *normalization(self.norm, convolution.out_channels)]

    def residual_stack(self) -> list[nn.Module]:
        """The residual blocks and their closing ReLU."""
        distinct = min(self.residual_blocks, 1) if self.share_residual else self.residual_blocks
        blocks: list[nn.Module] = [
            ResidualBlock(self.width, self.residual_width, norm=self.norm) for _ in range(distinct)
        ]
        if distinct < self.residual_blocks:
            blocks = [Repeated(blocks[0], self.residual_blocks)]
        return [*blocks, nn.ReLU()]


class ConvEncoder(nn.Module):
    """Strided 4x4 convolutions, a residual stack, and a projection to `latent_channels`."""

    def __init__(self, image_channels: int, latent_channels: int, shape: ConvShape) -> None:
        super().__init__()
        self.batch_statistics = shape.norm == "batch"
        bias = not self.batch_statistics  # a normalization takes it away and has its own
        layers: list[nn.Module] = []
        for before, after in pairwise(shape.channels(image_channels)):
            strided = nn.Conv2d(before, after, 4, stride=2, padding=1, bias=bias)
            layers += [*shape.normalized(strided), nn.ReLU()]
        layers += shape.normalized(nn.Conv2d(shape.width, shape.width, 3, padding=1, bias=bias))
        layers += shape.residual_stack()
        layers.append(nn.Conv2d(shape.width, latent_channels, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Latents (B, D, h, w) of images `x` (B, C, H, W) in [-1, 1]."""
        return self.layers(x)


class ConvDecoder(nn.Module):
    """The encoder's mirror: a residual stack, then strided 4x4 transposed convolutions."""

    def __init__(self, output_channels: int, latent_channels: int, shape: ConvShape) -> None:
        super().__init__()
        self.batch_statistics = shape.norm == "batch"
        bias = not self.batch_statistics
        first = nn.Conv2d(latent_channels, shape.width, 3, padding=1, bias=bias)
        layers = [*shape.normalized(first), *shape.residual_stack()]
        *steps, last = pairwise(reversed(shape.channels(output_channels)))
        for before, after in steps:
            strided = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=bias)
            layers += [*shape.normalized(strided), nn.ReLU()]
        layers.append(nn.ConvTranspose2d(*last, 4, stride=2, padding=1))
        self.layers = nn.Sequential(*layers)

    @property
    def head(self) -> nn.Module:
        """The last convolution, from which the image comes."""
        return self.layers[-1]

    def forward(self, latents: Tensor) -> Tensor:
        """Images (B, C, H, W), unbounded around [-1, 1], from latents (B, D, h, w)."""
        return self.layers(latents)


def conv_autoencoder(
    *,
    image_channels: int,
    latent_channels: int,
    output_channels: int | None = None,
    downsampling: int = 4,
    width: int = 128,
    residual_blocks: int = 2,
    residual_width: int = 32,
    widths: Sequence[int] | None = None,
    share_residual: bool | None = None,
    norm: Norm | None = None,
    initialization: Initialization | None = None,
    weight_norm: bool | None = None,
) -> tuple[ConvEncoder, ConvDecoder]:
    """The encoder and decoder of one autoencoder; see ConvShape.

    The decoder gives `output_channels`, None for as many as the image has. `initialization` None
    is PyTorch's; kaiming_normal's deviations are those of the weights in use, with `weight_norm`
    too. Raises ConfigError for an initialization of another name.
    """
    shape = ConvShape(
        downsampling, width, residual_blocks, residual_width, widths, norm, share_residual
    )
    encoder = ConvEncoder(image_channels, latent_channels, shape)
    decoder = ConvDecoder(output_channels or image_channels, latent_channels, shape)
    _start(nn.ModuleList([encoder, decoder]), initialization, normalize_weights=weight_norm)
    return encoder, decoder


def _start(
    model: nn.Module, initialization: Initialization | None, *, normalize_weights: bool | None
) -> None:
    require_switch(weight_norm=normalize_weights)
    if initialization not in (None, "kaiming_normal"):
        raise ConfigError(
            f"model.initialization must be null or kaiming_normal; got {initialization!r}"
        )
    if initialization is not None:
        kaiming_normal(model)
    if normalize_weights:  # last: it computes the kernels anew from what it finds
        weight_norm(model)
