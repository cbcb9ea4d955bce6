"""Cross-entropy for images whose values are classes, and a decoder that gives their logits.

Axes: B images, C channels, L levels, H W pixels; images are float [-1, 1].
"""

import torch.nn.functional as F
from torch import Tensor, nn

from vqx.errors import ConfigError


class CrossEntropy(nn.Module):
    """Mean cross-entropy, in nats a value, of each value's level among `levels` classes.

    The 256 values of a byte are split into `levels` bins of equal width; 256 keeps them all.
    """

    of_logits = True  # the decoder gives C x levels channels of logits, no image

    def __init__(self, levels: int = 256) -> None:
        """Raises ConfigError for levels that 256 values cannot be split into equally."""
        super().__init__()
        if type(levels) is not int or levels < 2 or 256 % levels:
            raise ConfigError(f"levels {levels}: use 2, 4, 8, ... or 256, bins of equal width")
        self.levels = levels

    def forward(self, logits: Tensor, images: Tensor) -> Tensor:
        """The mean () float32 over (B, C, H, W).

        `logits` (B, C L, H, W) hold channel 0's levels first, then channel 1's.
        """
        # A row a value: over images, cross_entropy has no deterministic implementation on CUDA.
        by_channel = logits.float().movedim(1, -1).unflatten(-1, (images.shape[1], self.levels))
        target = self.levels_of(images).movedim(1, -1)
        return F.cross_entropy(by_channel.flatten(0, 3), target.flatten())

    def levels_of(self, images: Tensor) -> Tensor:
        """Level (B, C, H, W) int64 in 0 .. levels - 1 of each value of `images`."""
        byte = ((images.float() + 1) * 127.5).round().clamp(0, 255).long()
        return byte // (256 // self.levels)
