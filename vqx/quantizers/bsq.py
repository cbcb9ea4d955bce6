"""BSQ: the sign of each channel of latents on the unit sphere.

Axes: B images, h w latent positions, D latent width, one bit a channel.
"""

import math

import torch
from torch import Tensor

from vqx.durations import Duration
from vqx.errors import ConfigError
from vqx.quantizers.bits import MOST_JOINT_BITS, BinaryQuantizer, check_bits
from vqx.quantizers.checks import require_positive
from vqx.quantizers.penalty import EntropyPenalty


class BSQ(BinaryQuantizer):
    """Binary spherical quantization (Zhao et al. 2024, arXiv 2406.07548, section 4).

    u = z / |z|, q = +-1 / sqrt(bits) by the sign of u (+ where z > 0); K = 2^bits, 2 to 62 bits;
    code = sum of [z_b > 0] 2^b. Loss: commitment mean |u - sg(q)|^2 + entropy_weight (mean H(p) -
    diversity H(mean p)) in nats, with p(code | u) the softmax over all codes c of
    -inverse_temperature |u - c|^2: independent bits, 1 with probability
    sigmoid(4 inverse_temperature u_b / sqrt(bits)). The paper's tau is
    2 inverse_temperature; its code also divides entropy_weight by inverse_temperature.

    H(mean p) is the sum over groups of `group` bits, each exact; the last group may be smaller.
    1: independent mean bits, as in the paper's released models; `bits`: exactly all K codes.
    commitment is 0 in the paper's code, since |u - q| is bounded. entropy_ramp: steps, or text like
    "2 epochs", over which entropy_weight is reached linearly from entropy_start (the paper's code:
    .3 to .1 in 2000 steps). The latent 0 has no direction: u is then 0, code 0, gradient that of u.
    """

    def __init__(
        self,
        bits: int,
        *,
        group: int = 9,
        inverse_temperature: float = 1.0,
        commitment: float = 0.0,
        entropy_weight: float = 0.1,
        diversity: float = 1.0,
        entropy_ramp: Duration | None = None,
        entropy_start: float = 0.0,
    ) -> None:
        if check_bits("BSQ", bits) == 1:
            raise ConfigError("BSQ bits 1: +-1 has no gradient; use at least 2 bits, or LFQ")
        if type(group) is not int or not 1 <= group <= MOST_JOINT_BITS:
            raise ConfigError(
                f"BSQ group {group}: use 1 to {MOST_JOINT_BITS} bits (each sums over 2^group)"
            )
        require_positive(inverse_temperature=inverse_temperature)
        super().__init__(
            bits,
            magnitude=1 / math.sqrt(bits),
            sharpness=4 * inverse_temperature / math.sqrt(bits),
            group=group,
            commitment=commitment,
            penalty=EntropyPenalty(
                entropy_weight, diversity=diversity, ramp=entropy_ramp, ramp_start=entropy_start
            ),
        )

    def compared(self, z: Tensor) -> Tensor:
        """z (B, D, h, w) divided by its norms; 0 stays 0."""
        # The root of 0 has no finite gradient, so it is never taken.
        squares = z.square().sum(1, keepdim=True)
        return z / torch.where(squares > 0, squares, 1.0).sqrt()
