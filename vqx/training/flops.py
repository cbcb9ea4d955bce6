"""What one image costs a tokenizer in arithmetic."""

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from vqx.models import Tokenizer


def flops_per_image(tokenizer: Tokenizer, *, channels: int, image_size: int) -> int:
    """Floating point operations to encode, quantize and decode one image more in evaluation.

    Two for each multiply-add of convolutions, matrix products and attention, those of the search
    for the nearest code included; elementwise arithmetic, as usual, does not count. What is done
    once, whatever the number of images, is no image's: a codebook that a layer computes.
    """
    was_training = tokenizer.training
    tokenizer.eval()
    try:
        one, two = (_flops(tokenizer, count, channels, image_size) for count in (1, 2))
    finally:
        tokenizer.train(was_training)
    return two - one


@torch.no_grad()
def _flops(tokenizer: Tokenizer, count: int, channels: int, image_size: int) -> int:
    device = next(tokenizer.parameters()).device
    images = torch.zeros(count, channels, image_size, image_size, device=device)
    # Attention as plain matrix products: the counter does not know the fast kernel of CPUs.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        tokenizer.detokenize(tokenizer.tokenize(images))
    return int(counter.get_total_flops())
