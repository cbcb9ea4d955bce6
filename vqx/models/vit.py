"""Transformer autoencoders (ViT-VQGAN, arXiv 2110.04627), with softmax or linear attention.

Axes: B images, N = h w tokens, one for each patch of `downsampling` x `downsampling` pixels;
images (B, C, H, W), latents (B, D, h, w) with h = H / downsampling.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from vqx.errors import ConfigError
from vqx.models.attention import LinearAttention, MultiHead, SoftmaxAttention
from vqx.models.positions import sincos_positions
from vqx.models.sizes import require_whole


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)): the pre-norm transformer block."""

    def __init__(self, width: int, attention: MultiHead, mlp_ratio: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), attention)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, mlp_ratio * width),
            nn.GELU(),
            nn.Linear(mlp_ratio * width, width),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """The block's output, shaped like `tokens` (B, N, width)."""
        tokens = tokens + self.attention(tokens)
        return tokens + self.mlp(tokens)


@dataclass(frozen=True, slots=True)
class VitShape:
    """Size of an encoder or decoder: `depth` blocks of `width` channels; any `downsampling`.

    Raises ConfigError for a width that is no multiple of 4 (positions) or of `heads`.
    """

    attention: type[MultiHead]
    downsampling: int = 8
    width: int = 192
    depth: int = 4
    heads: int = 3
    mlp_ratio: int = 4

    def __post_init__(self) -> None:
        require_whole(downsampling=self.downsampling, width=self.width, depth=self.depth)
        require_whole(heads=self.heads, mlp_ratio=self.mlp_ratio)
        if self.width % 4:
            raise ConfigError(f"model.width must be a multiple of 4 for a vit; got {self.width}")


class Transformer(nn.Module):
    """Positions, blocks and a closing norm, on a grid of tokens."""

    def __init__(self, shape: VitShape) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *[
                Block(shape.width, shape.attention(shape.width, shape.heads), shape.mlp_ratio)
                for _ in range(shape.depth)
            ]
        )
        self.norm = nn.LayerNorm(shape.width)

    def forward(self, grid: Tensor) -> Tensor:
        """A grid (B, width, h, w) of the same shape, each position having seen all."""
        batch, channels, height, width = grid.shape
        tokens = grid.flatten(2).transpose(1, 2)
        tokens = tokens + sincos_positions(height, width, channels, device=grid.device)
        tokens = self.norm(self.blocks(tokens))
        return tokens.transpose(1, 2).reshape(batch, channels, height, width)


class VitEncoder(nn.Module):
    """Patches to tokens, a transformer, and a projection to `latent_channels`."""

    batch_statistics = False

    def __init__(self, image_channels: int, latent_channels: int, shape: VitShape) -> None:
        super().__init__()
        patch = shape.downsampling
        self.layers = nn.Sequential(
            nn.Conv2d(image_channels, shape.width, patch, stride=patch),
            Transformer(shape),
            nn.Conv2d(shape.width, latent_channels, 1),
        )
        self.apply(_xavier)

    def forward(self, x: Tensor) -> Tensor:
        """Latents (B, D, h, w) of images `x` (B, C, H, W) in [-1, 1]."""
        return self.layers(x)


class VitDecoder(nn.Module):
    """The encoder's mirror: the head turns each token into the pixels of its patch."""

    batch_statistics = False

    def __init__(self, output_channels: int, latent_channels: int, shape: VitShape) -> None:
        super().__init__()
        patch = shape.downsampling
        self.body = nn.Sequential(nn.Conv2d(latent_channels, shape.width, 1), Transformer(shape))
        self.head = nn.Sequential(
            nn.Conv2d(shape.width, output_channels * patch**2, 1), nn.PixelShuffle(patch)
        )
        self.apply(_xavier)

    def forward(self, latents: Tensor) -> Tensor:
        """Images (B, C, H, W), unbounded around [-1, 1], from latents (B, D, h, w)."""
        return self.head(self.body(latents))


def _xavier(module: nn.Module) -> None:
    """Xavier-uniform matrices, a convolution's being that of its flattened patch; no biases."""
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.xavier_uniform_(module.weight.data.flatten(1))
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _autoencoder(
    image_channels: int, latent_channels: int, output_channels: int | None, shape: VitShape
) -> tuple[VitEncoder, VitDecoder]:
    encoder = VitEncoder(image_channels, latent_channels, shape)
    return encoder, VitDecoder(output_channels or image_channels, latent_channels, shape)


def vit_autoencoder(
    *,
    image_channels: int,
    latent_channels: int,
    output_channels: int | None = None,
    downsampling: int = 8,
    width: int = 192,
    depth: int = 4,
    heads: int = 3,
    mlp_ratio: int = 4,
) -> tuple[VitEncoder, VitDecoder]:
    """Encoder and decoder with softmax attention; see VitShape.

    The decoder gives `output_channels`, None for as many as the image has.
    """
    shape = VitShape(SoftmaxAttention, downsampling, width, depth, heads, mlp_ratio)
    return _autoencoder(image_channels, latent_channels, output_channels, shape)


def linear_vit_autoencoder(
    *,
    image_channels: int,
    latent_channels: int,
    output_channels: int | None = None,
    downsampling: int = 8,
    width: int = 192,
    depth: int = 4,
    heads: int = 3,
    mlp_ratio: int = 4,
) -> tuple[VitEncoder, VitDecoder]:
    """Encoder and decoder with linear attention: time and memory linear in the pixels.

    See VitShape; the decoder gives `output_channels`, None for as many as the image has.
    """
    shape = VitShape(LinearAttention, downsampling, width, depth, heads, mlp_ratio)
    return _autoencoder(image_channels, latent_channels, output_channels, shape)
