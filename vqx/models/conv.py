"""The convolutional autoencoder of VQ-VAE (van den Oord et al. 2017, appendix; DeepMind sonnet).

Shapes: images (B, C, H, W), latents (B, D, h, w) with h = H / downsampling.
"""

from itertools import pairwise

from torch import Tensor, nn

from vqx.errors import ConfigError


class ResidualBlock(nn.Module):
    """x + conv1x1(relu(conv3x3(relu(x)))), shape kept."""

    def __init__(self, width: int, residual_width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(width, residual_width, 3, padding=1, bias=False),
            nn.ReLU(),
            nn.Conv2d(residual_width, width, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, shaped like `x` (B, width, h, w)."""
        return x + self.body(x)


def _residual_stack(width: int, residual_width: int, blocks: int) -> list[nn.Module]:
    return [*(ResidualBlock(width, residual_width) for _ in range(blocks)), nn.ReLU()]


def _halvings(downsampling: int) -> int:
    if downsampling < 2 or downsampling & (downsampling - 1):
        raise ConfigError(f"model.downsampling must be 2, 4, 8, ...; got {downsampling}")
    return downsampling.bit_length() - 1


class ConvEncoder(nn.Module):
    """Strided 4x4 convolutions, a residual stack, and a projection to `latent_channels`."""

    def __init__(
        self,
        image_channels: int,
        latent_channels: int,
        *,
        downsampling: int = 4,
        width: int = 128,
        residual_blocks: int = 2,
        residual_width: int = 32,
    ) -> None:
        super().__init__()
        halvings = _halvings(downsampling)
        widths = [image_channels, *([width // 2] * (halvings > 1)), *[width] * max(1, halvings - 1)]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
        layers.append(nn.Conv2d(width, width, 3, padding=1))
        layers += _residual_stack(width, residual_width, residual_blocks)
        layers.append(nn.Conv2d(width, latent_channels, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Latents (B, D, h, w) of images `x` (B, C, H, W) in [-1, 1]."""
        return self.layers(x)


class ConvDecoder(nn.Module):
    """The encoder's mirror: a residual stack, then strided 4x4 transposed convolutions."""

    def __init__(
        self,
        image_channels: int,
        latent_channels: int,
        *,
        downsampling: int = 4,
        width: int = 128,
        residual_blocks: int = 2,
        residual_width: int = 32,
    ) -> None:
        super().__init__()
        halvings = _halvings(downsampling)
        widths = [*[width] * max(1, halvings - 1), *([width // 2] * (halvings > 1)), image_channels]
        layers: list[nn.Module] = [nn.Conv2d(latent_channels, width, 3, padding=1)]
        layers += _residual_stack(width, residual_width, residual_blocks)
        for before, after in pairwise(widths):
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, latents: Tensor) -> Tensor:
        """Images (B, C, H, W), unbounded around [-1, 1], from latents (B, D, h, w)."""
        return self.layers(latents)


def conv_autoencoder(
    *,
    image_channels: int,
    latent_channels: int,
    downsampling: int = 4,
    width: int = 128,
    residual_blocks: int = 2,
    residual_width: int = 32,
) -> tuple[ConvEncoder, ConvDecoder]:
    """The encoder and decoder of one autoencoder; `downsampling` 4 is f4, 8 is f8."""
    encoder = ConvEncoder(
        image_channels,
        latent_channels,
        downsampling=downsampling,
        width=width,
        residual_blocks=residual_blocks,
        residual_width=residual_width,
    )
    decoder = ConvDecoder(
        image_channels,
        latent_channels,
        downsampling=downsampling,
        width=width,
        residual_blocks=residual_blocks,
        residual_width=residual_width,
    )
    return encoder, decoder
