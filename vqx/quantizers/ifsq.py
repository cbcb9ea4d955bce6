"""IFSQ: FSQ whose activation spreads normal latents more evenly.

Axes: B images, h w latent positions, D = L channels with levels[d] values each, K = prod(levels).
"""

from collections.abc import Sequence

from vqx.quantizers.fsq import FSQ


class IFSQ(FSQ):
    """FSQ with 2 sigmoid(1.6 x) - 1 for tanh (Lin et al. 2026, arXiv 2601.17124).

    z ~ N(0, 1) is then nearly uniform on (-1, 1). The shift that puts z = 0 on a level of an even
    channel is the inverse of this activation; eps and the codes are FSQ's. Rounding makes the first
    and last level half as wide as the others, so that codes of 8 levels have 2.90 bits against
    FSQ's 2.97 (without the shift, as some count: 2.91 against 2.98).
    """

    gain = 1.6

    def __init__(self, levels: Sequence[int], *, eps: float = 1e-3) -> None:
        super().__init__(levels, eps=eps)
