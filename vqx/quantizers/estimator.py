"""Gradient estimators: how a gradient passes from the quantized vectors to the encoder's."""

from torch import Tensor


def straight_through(z: Tensor, q: Tensor) -> Tensor:
    """The values of `q`, exactly, with the gradient of `z` (Bengio et al. 2013, arXiv 1308.3432).

    The usual z + sg(q - z) rounds, so that what the decoder sees would not be decode(codes);
    z - sg(z) is exactly 0. A NaN in z stays visible.
    """
    return q.detach() + (z - z.detach())
