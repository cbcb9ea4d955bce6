"""Encoder, quantizer and decoder as one module.

Shapes: images (B, C, H, W), latents (B, D, h, w), codes (B, h, w) or (B, h, w, Q).
"""

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from vqx.quantizers import Quantized, Quantizer


class Tokenizer(nn.Module):
    """Images to codes and back, and the differentiable pass for training."""

    def __init__(self, encoder: nn.Module, quantizer: "Quantizer", decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.quantizer = quantizer
        self.decoder = decoder

    def forward(self, images: Tensor) -> tuple[Tensor, "Quantized"]:
        """Reconstruction of `images` (B, C, H, W) in [-1, 1], and what the quantizer returned."""
        quantized = self.quantizer(self.encoder(images))
        return self.decoder(quantized.latents), quantized

    def tokenize(self, images: Tensor) -> Tensor:
        """Codes (B, h, w) int64 of `images` (B, C, H, W) in [-1, 1]."""
        codes: Tensor = self.quantizer(self.encoder(images)).codes
        return codes

    def detokenize(self, codes: Tensor) -> Tensor:
        """Images (B, C, H, W) from `codes` alone: what every reported metric looks at."""
        images: Tensor = self.decoder(self.quantizer.decode(codes))
        return images
