"""The autoencoder of MinVQVAE (github.com/donglinkang2021/MinVQVAE): 777 K parameters at f4.

Shapes: images (B, C, H, W), latents (B, D, h, w) with h = H / downsampling.
"""

from itertools import pairwise

from torch import Tensor, nn

from vqx.errors import ConfigError
from vqx.models.conv import ResidualBlock
from vqx.models.sizes import halvings, require_whole


def _widths(width: int, downsampling: int) -> list[int]:
    """Channels after each halving, doubled at each up to `width`."""
    count = halvings(downsampling)
    if width % 2 ** (count - 1):
        raise ConfigError(
            f"model.width must be a multiple of {2 ** (count - 1)} for downsampling "
            f"{downsampling}; got {width}"
        )
    return [width >> step for step in reversed(range(count))]


class MinimalEncoder(nn.Module):
    """Strided 4x4 convolutions of doubling width, residual blocks and a 1x1 convolution."""

    batch_statistics = False

    def __init__(
        self, image_channels: int, latent_channels: int, widths: list[int], blocks: list[nn.Module]
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise([image_channels, *widths]):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
        layers.append(nn.Conv2d(widths[-1], widths[-1], 3, padding=1))
        self.layers = nn.Sequential(
            *layers, *blocks, nn.ReLU(), nn.Conv2d(widths[-1], latent_channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Latents (B, D, h, w) of images `x` (B, C, H, W) in [-1, 1]."""
        return self.layers(x)


class MinimalDecoder(nn.Module):
    """The encoder's mirror, of transposed convolutions."""

    batch_statistics = False

    def __init__(
        self, output_channels: int, latent_channels: int, widths: list[int], blocks: list[nn.Module]
    ) -> None:
        super().__init__()
        layers = [nn.Conv2d(latent_channels, widths[-1], 1), *blocks, nn.ReLU()]
        layers += [nn.ConvTranspose2d(widths[-1], widths[-1], 3, padding=1), nn.ReLU()]
        for before, after in pairwise(reversed(widths)):
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.ConvTranspose2d(widths[0], output_channels, 4, stride=2, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        """Images (B, C, H, W), unbounded around [-1, 1], from latents (B, D, h, w)."""
        return self.head(self.body(latents))


def minimal_autoencoder(
    *,
    image_channels: int,
    latent_channels: int,
    output_channels: int | None = None,
    downsampling: int = 4,
    width: int = 128,
    residual_blocks: int = 2,
    residual_width: int = 32,
) -> tuple[MinimalEncoder, MinimalDecoder]:
    """The encoder and decoder of one autoencoder; `width` channels on the latents' grid.

    The decoder gives `output_channels`, None for as many as the image has. Raises ConfigError for
    a downsampling that is no power of two, or a width that cannot be halved as often.
    """
    require_whole(width=width, residual_width=residual_width, residual_blocks=residual_blocks)
    widths = _widths(width, downsampling)

    def blocks() -> list[nn.Module]:
        return [ResidualBlock(width, residual_width, bias=True) for _ in range(residual_blocks)]

    encoder = MinimalEncoder(image_channels, latent_channels, widths, blocks())
    decoder = MinimalDecoder(output_channels or image_channels, latent_channels, widths, blocks())
    return encoder, decoder
