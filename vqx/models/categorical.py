"""Images from a distribution over the levels of each pixel.

Axes: B images, C channels, L levels, H W pixels; images float [-1, 1].
"""

import torch
from torch import Tensor


def expected_image(logits: Tensor, levels: int) -> Tensor:
    """The mean image (B, C, H, W) float32 of `logits` (B, C L, H, W), of all images the best in L2.

    Level l of L stands for the mean of the uint8 values in the l-th of L equal parts of 0..255.
    """
    batch, channels, height, width = logits.shape
    shares = logits.float().view(batch, channels // levels, levels, height, width).softmax(2)
    pixels = (torch.arange(levels, device=logits.device) + 0.5) * (256 / levels) - 0.5
    middles = pixels / 127.5 - 1
    # No matrix product, which autocast would round to bfloat16.
    return (shares * middles.view(levels, 1, 1)).sum(2)
