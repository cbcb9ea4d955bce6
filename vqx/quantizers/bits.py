"""Codes made of bits, one a latent channel: their latents, and entropies without all K codes.

A soft bit has logit l: it is 1 with probability sigmoid(l), independently of the others.

Axes: B images, h w latent positions, N tokens, b bits, G groups of g bits, K = 2^b codes.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from vqx.errors import ConfigError
from vqx.quantizers.base import Quantized, Quantizer
from vqx.quantizers.estimator import straight_through
from vqx.quantizers.penalty import EntropyPenalty, entropy

# int64 holds codes of 63 bits, but not their number.
MOST_BITS = 62
# The mean distribution over 2^20 outcomes is 4 MiB, and one sum over ranks; it has to be estimated
# from the tokens of one batch.
MOST_JOINT_BITS = 20
# Probabilities of half a group's outcomes held at once: what a CPU's cache holds; on a GPU 256 MiB.
PROBABILITIES = 1 << 20
PROBABILITIES_ON_GPU = 1 << 26
# Beyond this logit a bit's entropy is below 1e-32 nats, and exp would soon underflow.
SURE = 80.0


class BinaryQuantizer(Quantizer):
    """Latents are +magnitude in the channels where z > 0, and -magnitude in the others.

    code = sum of [z_b > 0] 2^b: the first channel varies fastest. Loss: commitment
    mean |compared(z) - sg(q)|^2 + `penalty`, whose probabilities are those of soft bits of logit
    sharpness compared(z), and whose mean distribution is over the outcomes of `group` bits each.
    """

    def __init__(
        self,
        bits: int,
        *,
        magnitude: float,
        sharpness: float,
        group: int,
        commitment: float,
        penalty: EntropyPenalty,
    ) -> None:
        super().__init__()
        if commitment < 0:
            raise ConfigError(f"commitment {commitment}: use 0 or more")
        self.bits = bits
        self.codebook_size = 2**bits
        self.latent_channels = bits
        self.magnitude, self.sharpness, self.group = magnitude, sharpness, group
        self.commitment = self.commitment_weight = commitment
        self.penalty = penalty

    @property
    def needs_survey(self) -> bool:
        """Whether the entropy of the mean distribution counts."""
        return self.penalty.active

    def quantize(self, z: Tensor) -> Quantized:
        """Signs of z (B, b, h, w) float32."""
        x, bits = self.compared(z), z > 0
        # A NaN must show in the latents; as a bit it is 0.
        q = torch.where(x.detach().isnan(), x.detach(), self._entries(bits)).contiguous()
        token_entropy = bit_entropies(self.sharpness * x).mean() * self.bits
        loss = self.commitment * F.mse_loss(x, q) + self._penalty(x, token_entropy)
        stats = {"token_entropy": token_entropy.detach(), "bit_entropy": mean_bit_entropy(bits)}
        return Quantized(straight_through(x, q), to_codes(bits), loss, stats)

    def decode(self, codes: Tensor) -> Tensor:
        """Latents (B, b, h, w) float32 of `codes` (B, h, w) int64."""
        return self._entries(to_bits(codes, self.bits)).contiguous()

    def survey_float(self, z: Tensor) -> None:
        """Note the mean distribution of z (B, b, h, w) float32, when the penalty asks for it."""
        if self.penalty.active:
            self.penalty.survey(self._mean_outcomes(self.compared(z)), z.numel() // self.bits)

    def extra_repr(self) -> str:
        """The bits, for printing."""
        return f"bits={self.bits}"

    def _entries(self, bits: Tensor) -> Tensor:
        return torch.where(bits, self.magnitude, -self.magnitude)

    def _penalty(self, x: Tensor, token_entropy: Tensor) -> Tensor:
        if not self.penalty.active:
            return x.new_zeros(())
        return self.penalty(token_entropy, self._mean_outcomes(x), x.numel() // self.bits)

    def _mean_outcomes(self, x: Tensor) -> Tensor:
        logits = self.sharpness * x.movedim(1, 0).reshape(self.bits, -1)
        return mean_outcomes(logits, self.group)


def check_bits(name: str, bits: int) -> int:
    """`bits`, if codes of so many can be numbered; ConfigError otherwise."""
    if type(bits) is not int or not 1 <= bits <= MOST_BITS:
        raise ConfigError(
            f"{name} bits {bits}: use a whole number from 1 to {MOST_BITS} (codes are int64)"
        )
    return bits


def to_codes(bits: Tensor) -> Tensor:
    """Codes (B, h, w) int64 of `bits` (B, b, h, w) bool, the first of which is worth 1."""
    codes = torch.zeros_like(bits[:, 0], dtype=torch.int64)
    for place in range(bits.shape[1]):
        codes.add_(bits[:, place], alpha=1 << place)
    return codes


def to_bits(codes: Tensor, bits: int) -> Tensor:
    """The `bits` bits (B, b, h, w) bool of codes (B, h, w) int64."""
    places = torch.arange(bits, device=codes.device)[:, None, None]
    return (codes[:, None] >> places & 1).bool()


@torch.no_grad()
def mean_bit_entropy(bits: Tensor) -> Tensor:
    """Mean over b of the entropy () in bits of how often a bit of `bits` (B, b, h, w) bool is set.

    1: each is set in half of the tokens; 0: each is always the same. Unlike usage and perplexity
    it needs no count of all codes.
    """
    share = bits.float().mean((0, 2, 3))
    return entropy(torch.stack([share, 1 - share], -1)).mean() / torch.log(share.new_tensor(2.0))


def bit_entropies(logits: Tensor) -> Tensor:
    """Entropies in nats, shaped alike, of soft bits; values and gradients finite for any logit."""
    entropies: Tensor = _BitEntropies.apply(logits)
    return entropies


def mean_outcomes(logits: Tensor, group: int) -> Tensor:
    """Mean distributions (G, 2^g) over tokens of each `group` of soft bits, of logits (b, N).

    Exact, and without the N 2^g probabilities of each token: with the outcomes of a group's first
    bits as A (N, 2^(g/2)) and of its last as B (N, 2^(g - g/2)), the mean is B^T A / N, outcome
    sum of bit_i 2^i in its place. The last group may have fewer bits: outcomes that it lacks are 0.
    Beside that at most PROBABILITIES of A and B are held at once, in the backward pass too.
    """
    bits, tokens = logits.shape
    group = min(group, bits)
    groups = -(-bits // group)
    # A bit of logit -inf is never 1.
    padded = F.pad(logits, (0, 0, 0, groups * group - bits), value=-torch.inf)
    mean: Tensor = _MeanOutcomes.apply(padded.view(groups, group, tokens))
    return mean


class _BitEntropies(torch.autograd.Function):
    """H(l) = l sigmoid(-l) + log(1 + exp(-l)), even in l; dH/dl = -l sigmoid(l) sigmoid(-l)."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor) -> Tensor:
        ctx.save_for_backward(logits)
        size = logits.abs().clamp(max=SURE)
        return size * torch.sigmoid(-size) + F.softplus(-size)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (logits,) = ctx.saved_tensors
        logits = logits.clamp(-SURE, SURE)
        return -logits * torch.sigmoid(logits) * torch.sigmoid(-logits) * gradients[0]


class _MeanOutcomes(torch.autograd.Function):
    """`mean_outcomes` of logits (G, g, N), part by part: A and B are made again for backward."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor) -> Tensor:
        ctx.save_for_backward(logits)
        groups, bits, tokens = logits.shape
        total = logits.new_zeros(groups, 1 << (bits - bits // 2), 1 << (bits // 2))
        for part in _parts(logits):
            low, high = _halves(part)
            total.baddbmm_(high, low.mT)
        return total.flatten(1).div_(tokens)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (logits,) = ctx.saved_tensors
        groups, bits, tokens = logits.shape
        weight = gradients[0].reshape(groups, -1, 1 << (bits // 2)) / tokens
        with torch.autocast(logits.device.type, enabled=False):
            return torch.cat([_logit_gradients(part, weight) for part in _parts(logits)], 2)


def _parts(logits: Tensor) -> tuple[Tensor, ...]:
    """Logits (G, g, N) split over tokens, such that the halves of a part are not too large."""
    groups, bits, _ = logits.shape
    per_token = groups * ((1 << (bits // 2)) + (1 << (bits - bits // 2)))
    held = PROBABILITIES if logits.device.type == "cpu" else PROBABILITIES_ON_GPU
    return logits.split(max(held // per_token, 1), 2)


def _halves(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Outcomes of the first g/2 bits (G, 2^(g/2), n) and of the others, of logits (G, g, n)."""
    middle = logits.shape[1] // 2
    return _outcomes(logits[:, :middle]), _outcomes(logits[:, middle:])


def _outcomes(logits: Tensor) -> Tensor:
    """Probabilities (G, 2^k, n) of all outcomes of k soft bits of logits (G, k, n)."""
    groups, bits, tokens = logits.shape
    # 1 - sigmoid(l) would lose the small ones.
    ones, zeros = torch.sigmoid(logits), torch.sigmoid(-logits)
    outcomes = logits.new_empty(groups, 1 << bits, tokens)
    outcomes[:, 0] = 1
    for i in range(bits):
        known, new = outcomes[:, : 1 << i], outcomes[:, 1 << i : 2 << i]
        new.copy_(known).mul_(ones[:, i, None])
        known.mul_(zeros[:, i, None])
    return outcomes


def _logit_gradients(logits: Tensor, weight: Tensor) -> Tensor:
    """Gradient (G, g, n) of all outcomes' sum, weighted by weight (G, 2^(g - g/2), 2^(g/2))."""
    middle = logits.shape[1] // 2
    low, high = _halves(logits)
    by_low = torch.bmm(weight.mT, high).mul_(low)
    by_high = torch.bmm(weight, low).mul_(high)
    first = _half_gradients(logits[:, :middle], by_low)
    return torch.cat([first, _half_gradients(logits[:, middle:], by_high)], 1)


def _half_gradients(logits: Tensor, weighted: Tensor) -> Tensor:
    """The part of k bits of logits (G, k, n), from their weighted outcomes (G, 2^k, n).

    d log p(outcome) / dl = bit - sigmoid(l); sums where the bit is 1 and where it is 0 are kept
    apart, so that nothing cancels when one of them is far the smaller.
    """
    bits = logits.shape[1]
    outcomes = torch.arange(1 << bits, device=logits.device)
    places = torch.arange(bits, device=logits.device)[:, None]
    ones = (outcomes >> places & 1).to(weighted.dtype)  # (k, 2^k)
    return torch.sigmoid(-logits) * (ones @ weighted) - torch.sigmoid(logits) * (
        (1 - ones) @ weighted
    )
