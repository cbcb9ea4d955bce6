"""Encoder, quantizer and decoder as one module.

Shapes: images (B, C, H, W), latents (B, D, h, w), codes (B, h, w) or (B, h, w, Q); L levels of a
pixel.
"""

from typing import TYPE_CHECKING

from torch import Tensor, nn

from vqx.models.categorical import expected_image

if TYPE_CHECKING:
    from vqx.quantizers import Quantized, Quantizer


class Tokenizer(nn.Module):
    """Images to codes and back, and the differentiable pass for training.

    pixel_levels: L when the decoder gives logits (B, C L, H, W) for the level of each pixel; None
    when it gives images.
    """

    def __init__(
        self,
        encoder: nn.Module,
        quantizer: "Quantizer",
        decoder: nn.Module,
        *,
        pixel_levels: int | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.quantizer = quantizer
        self.decoder = decoder
        self.pixel_levels = pixel_levels

    def forward(self, images: Tensor) -> tuple[Tensor, "Quantized"]:
        """What the decoder makes of `images` (B, C, H, W) in [-1, 1], and the quantizer's answer.

        `images_of` makes a reconstruction of the first.
        """
        quantized = self.quantizer(self.encoder(images))
        return self.decoder(quantized.latents), quantized

    def images_of(self, output: Tensor) -> Tensor:
        """The images (B, C, H, W) that the decoder's `output` stands for."""
        return output if self.pixel_levels is None else expected_image(output, self.pixel_levels)

    def tokenize(self, images: Tensor) -> Tensor:
        """Codes (B, h, w) int64 of `images` (B, C, H, W) in [-1, 1]."""
        codes: Tensor = self.quantizer(self.encoder(images)).codes
        return codes

    def detokenize(self, codes: Tensor) -> Tensor:
        """Images (B, C, H, W) from `codes` alone: what every reported metric looks at."""
        return self.images_of(self.decoder(self.quantizer.decode(codes)))
