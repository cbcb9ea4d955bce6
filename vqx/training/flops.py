"""What one image costs a tokenizer in arithmetic."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from vqx.models import Tokenizer


@torch.no_grad()
def flops_per_image(tokenizer: Tokenizer, *, channels: int, image_size: int) -> int:
    """Floating point operations to encode, quantize and decode one image in evaluation.

    Two for each multiply-add of convolutions, matrix products and attention, those of the search
    for the nearest code included; elementwise arithmetic, as usual, does not count.
    """
    device = next(tokenizer.parameters()).device
    image = torch.zeros(1, channels, image_size, image_size, device=device)
    was_training = tokenizer.training
    tokenizer.eval()
    try:
        with FlopCounterMode(display=False) as counter:
            tokenizer.detokenize(tokenizer.tokenize(image))
    finally:
        tokenizer.train(was_training)
    return int(counter.get_total_flops())
