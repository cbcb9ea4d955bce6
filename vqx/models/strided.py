"""The autoencoder of FSQ-pytorch and vector-quantize: strided convolutions and nothing else.

Shapes: images (B, C, H, W), latents (B, D, h, w) with h = H / downsampling.
"""

from torch import Tensor, nn

from vqx.models.sizes import halvings, require_whole


class StridedEncoder(nn.Module):
    """A 4x4 convolution with stride 2 and a ReLU for each halving, then a 1x1 convolution."""

    batch_statistics = False

    def __init__(
        self, image_channels: int, latent_channels: int, *, downsampling: int, width: int
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for step in range(halvings(downsampling)):
            before = width if step else image_channels
            layers += [nn.Conv2d(before, width, 4, stride=2, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, latent_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Latents (B, D, h, w) of images `x` (B, C, H, W) in [-1, 1]."""
        return self.layers(x)


class StridedDecoder(nn.Module):
    """A transposed 4x4 convolution and a ReLU for each doubling, then a 1x1 convolution."""

    batch_statistics = False

    def __init__(
        self, output_channels: int, latent_channels: int, *, downsampling: int, width: int
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for step in range(halvings(downsampling)):
            before = width if step else latent_channels
            layers += [nn.ConvTranspose2d(before, width, 4, stride=2, padding=1), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv2d(width, output_channels, 1)

    def forward(self, latents: Tensor) -> Tensor:
        """Images (B, C, H, W), unbounded around [-1, 1], from latents (B, D, h, w)."""
        return self.head(self.body(latents))


def strided_autoencoder(
    *,
    image_channels: int,
    latent_channels: int,
    output_channels: int | None = None,
    downsampling: int = 8,
    width: int = 128,
) -> tuple[StridedEncoder, StridedDecoder]:
    """The encoder and decoder of one autoencoder, `width` channels throughout.

    The decoder gives `output_channels`, None for as many as the image has. Raises ConfigError for
    a downsampling that is no power of two.
    """
    require_whole(width=width)
    outputs = output_channels or image_channels
    encoder = StridedEncoder(
        image_channels, latent_channels, downsampling=downsampling, width=width
    )
    decoder = StridedDecoder(outputs, latent_channels, downsampling=downsampling, width=width)
    return encoder, decoder
