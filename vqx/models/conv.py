"""The convolutional autoencoder of VQ-VAE (van den Oord et al. 2017, appendix; DeepMind sonnet).

Shapes: images (B, C, H, W), latents (B, D, h, w) with h = H / downsampling.
"""

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class ConvShape:
    """Size of an encoder or decoder; `downsampling` 4 is f4, 8 is f8.

    Raises ConfigError for a downsampling that is no power of two.
    """

    downsampling: int = 4
    width: int = 128
    residual_blocks: int = 2
    residual_width: int = 32

    def __post_init__(self) -> None:
        factor = self.downsampling
        if factor < 2 or factor & (factor - 1):
            raise ConfigError(f"model.downsampling must be 2, 4, 8, ...; got {factor}")

    def widths(self, image_channels: int) -> list[int]:
        """Channels from the image to the residual stack, one step a halving."""
        halvings = self.downsampling.bit_length() - 1
        narrow = [self.width // 2] if halvings > 1 else []
        return [image_channels, *narrow, *[self.width] * max(1, halvings - 1)]

    def residual_stack(self) -> list[nn.Module]:
        """The residual blocks and their closing ReLU."""
        blocks = [
            ResidualBlock(self.width, self.residual_width) for _ in range(self.residual_blocks)
        ]
        return [*blocks, nn.ReLU()]


class ConvEncoder(nn.Module):
    """Strided 4x4 convolutions, a residual stack, and a projection to `latent_channels`."""

    def __init__(self, image_channels: int, latent_channels: int, shape: ConvShape) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise(shape.widths(image_channels)):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
        layers.append(nn.Conv2d(shape.width, shape.width, 3, padding=1))
        layers += shape.residual_stack()
        layers.append(nn.Conv2d(shape.width, latent_channels, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Latents (B, D, h, w) of images `x` (B, C, H, W) in [-1, 1]."""
        return self.layers(x)


class ConvDecoder(nn.Module):
    """The encoder's mirror: a residual stack, then strided 4x4 transposed convolutions."""

    def __init__(self, image_channels: int, latent_channels: int, shape: ConvShape) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(latent_channels, shape.width, 3, padding=1)]
        layers += shape.residual_stack()
        for before, after in pairwise(reversed(shape.widths(image_channels))):
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
    """The encoder and decoder of one autoencoder; see ConvShape."""
    shape = ConvShape(downsampling, width, residual_blocks, residual_width)
    encoder = ConvEncoder(image_channels, latent_channels, shape)
    return encoder, ConvDecoder(image_channels, latent_channels, shape)
