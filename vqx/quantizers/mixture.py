"""Mixtures of codebook entries by softmax, with Gumbel noise or without, in bounded memory.

Axes: N tokens, K codes, D latent width, n tokens of a chunk.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vqx.quantizers.nearest import first_maximum
from vqx.quantizers.softmax import WeightedSum

# Logits of a chunk, and its fewest tokens: with fewer, weights are read more than computed with.
SCORES = 1 << 19
SCORES_ON_GPU = 1 << 25
TOKENS = 32


@dataclass(frozen=True, slots=True)
class Draw:
    """How the mixture is made: with Gumbel noise of `seed`, or of none; of one code each if `hard`.

    scores: logits of a chunk; None: SCORES, or on a GPU SCORES_ON_GPU.
    """

    seed: int | None
    hard: bool
    scores: int | None = None


@torch.compiler.disable
def softmax_mixture(
    z: Tensor,
    weight: Tensor,
    bias: Tensor,
    codebook: Tensor,
    temperature: Tensor,
    draw: Draw,
) -> tuple[Tensor, Tensor, Tensor]:
    """Mixtures (N, D), mean divergence () from uniform in nats, and likeliest codes (N,) int64.

    With logits l = z weight^T + bias of z (N, D), weight (K, D), bias (K,) and noise g, the mixture
    is softmax((l + g) / temperature) times codebook (K, D); `hard`: the entry of its largest
    weight, with the gradient to l of the mixture (Jang et al. 2016, arXiv 1611.01144, section 2.2).
    divergence: KL(softmax(l) | 1/K), mean over tokens. codes: argmax of l, the first of equals.

    N x K is never held: four buffers of max(`scores`, TOKENS K) floats are. Backward computes the
    logits anew and draws the noise anew from its seed: the gradient is exact, but only the first
    one. Float32 with autocast off.
    """
    found: tuple[Tensor, Tensor, Tensor] = _Mixture.apply(
        z, weight, bias, codebook, temperature.reciprocal(), draw
    )
    return found


class _Mixture(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        z: Tensor,
        weight: Tensor,
        bias: Tensor,
        codebook: Tensor,
        sharpness: Tensor,
        draw: Draw,
    ) -> tuple[Tensor, Tensor, Tensor]:
        mixture = torch.empty_like(z, memory_format=torch.contiguous_format)
        codes, chosen = (torch.empty(len(z), dtype=torch.int64, device=z.device) for _ in range(2))
        log_sum, negentropy = z.new_empty(len(z), 1), z.new_empty(len(z), 1)
        for part, chunk in _chunks(z, len(weight), draw):
            logits = chunk.logits(z[part], weight, bias)
            codes[part] = first_maximum(logits)
            p, log_sum[part], negentropy[part] = chunk.divergence(logits, codes[part, None])
            if draw.hard:
                chosen[part] = codes[part] if draw.seed is None else chunk.sample(p)
                mixture[part] = codebook[chosen[part]]
            else:
                torch.mm(chunk.mix(logits, sharpness), codebook, out=mixture[part])
        saved = (z, weight, bias, codebook, sharpness, log_sum, negentropy)
        ctx.save_for_backward(*saved, chosen if draw.hard else mixture)
        ctx.draw = draw
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(codes)
        return mixture, negentropy.mean() + math.log(len(weight)), codes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        at_mixture = torch.zeros_like(saved[0]) if gradients[0] is None else gradients[0]
        with torch.autocast(at_mixture.device.type, enabled=False):
            return *_backward(saved, ctx.draw, at_mixture, gradients[1]), None, None


def _backward(
    saved: tuple[Tensor, ...], draw: Draw, at_mixture: Tensor, at_divergence: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of z, weight, bias and codebook."""
    z, weight, bias, codebook, sharpness, log_sum, negentropy, latents = saved
    of_z = torch.empty_like(z, memory_format=torch.contiguous_format)
    of_bias, of_entries = torch.zeros_like(bias), torch.zeros_like(codebook)
    tokens = _at_once(z, len(weight), draw)
    of_weight, of_codebook = WeightedSum(weight, tokens), WeightedSum(codebook, tokens)
    if draw.hard:
        of_entries.index_add_(0, latents, at_mixture)
    sharpened = at_mixture * sharpness
    for part, chunk in _chunks(z, len(weight), draw):
        log_p = chunk.logits(z[part], weight, bias).sub_(log_sum[part])
        y = chunk.mix(log_p, sharpness)
        if not draw.hard:
            of_codebook.add(y, at_mixture[part])
        of_logits = torch.mm(sharpened[part], codebook.T, out=chunk.noise).mul_(y)
        if draw.hard:
            mean = of_logits.sum(1, keepdim=True)
        else:
            mean = torch.linalg.vecdot(sharpened[part], latents[part])[:, None]
        of_logits.addcmul_(y, mean, value=-1)
        if at_divergence is not None:  # its own is p (log p - sum p log p)
            p, share = torch.softmax(log_p, 1, out=chunk.spare), at_divergence / len(z)
            of_logits.addcmul_(log_p.sub_(negentropy[part]).mul_(share), p)
        torch.mm(of_logits, weight, out=of_z[part])
        of_weight.add(of_logits, z[part])
        of_bias.add_(of_logits.sum(0))
    return of_z, of_weight.total(), of_bias, of_entries if draw.hard else of_codebook.total()


class _Chunk:
    """Buffers (n, K) for one chunk of tokens, and what is computed in them."""

    def __init__(self, buffers: list[Tensor], tokens: int, noise: "_Noise | None") -> None:
        self.scores, self.noise, self.spare = (buffer[:tokens] for buffer in buffers)
        self.draw = noise

    def logits(self, z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Logits (n, K), in `scores`."""
        return torch.addmm(bias, z, weight.T, out=self.scores)

    def divergence(self, logits: Tensor, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """p = softmax(logits) in `spare`, log sum exp(logits) and sum p log p, both (n, 1).

        Shifts `logits` so that those of the likeliest `codes` (n, 1) are 0.
        """
        best = logits.gather(1, codes)
        logits.sub_(best)
        p = torch.softmax(logits, 1, out=self.spare)
        log_sum = p.gather(1, codes).log_().neg_()  # of the shifted
        negentropy = torch.mul(p, logits, out=self.noise).sum(1, keepdim=True) - log_sum
        return p, log_sum + best, negentropy

    def sample(self, p: Tensor) -> Tensor:
        """Codes (n,) drawn with probabilities p (n, K).

        That of the largest p / e with exponential e: the largest log p plus Gumbel noise -log e.
        """
        assert self.draw is not None
        return first_maximum(torch.div(p, self.draw.exponential(self.noise), out=self.noise))

    def mix(self, logits: Tensor, sharpness: Tensor) -> Tensor:
        """softmax((logits + g) sharpness), (n, K), in `spare`; leaves `logits` as they were."""
        if self.draw is None:
            noisy = torch.mul(logits, sharpness, out=self.noise)
        else:
            log_e = self.draw.exponential(self.noise).log_()
            noisy = torch.sub(logits, log_e, out=self.noise).mul_(sharpness)
        return torch.softmax(noisy, 1, out=self.spare)


class _Noise:
    """A stream of standard exponential numbers e: -log e is Gumbel noise."""

    def __init__(self, seed: int, device: torch.device) -> None:
        # exponential_ takes many times as long on a CPU, where it draws one at a time; torch's own
        # generator of words there takes twice as long as this.
        self.words = np.random.SFC64(seed) if device.type == "cpu" else None
        self.generator = torch.Generator(device).manual_seed(seed) if self.words is None else None

    def exponential(self, out: Tensor) -> Tensor:
        """Fill the contiguous `out`."""
        if self.words is None:
            return out.exponential_(generator=self.generator)
        halves = self.words.random_raw((out.numel() + 1) // 2).view(np.int32)
        out.view(-1).copy_(torch.from_numpy(halves[: out.numel()]))
        # -v for v in (0, 1), fine near 0, where -log(1 - v) is small and the Gumbel number large.
        out.abs_().mul_(-(2.0**-31)).clamp_(2.0**-24 - 1, -(2.0**-32))
        return out.log1p_().neg_()


def _at_once(z: Tensor, codes: int, draw: Draw) -> int:
    """Tokens of a chunk."""
    scores = draw.scores or (SCORES if z.device.type == "cpu" else SCORES_ON_GPU)
    return min(max(scores // codes, TOKENS), len(z))


def _chunks(z: Tensor, codes: int, draw: Draw) -> Iterator[tuple[slice, _Chunk]]:
    """Parts of N tokens with buffers for each; the noise of a seed goes through them in order."""
    at_once = _at_once(z, codes, draw)
    noise = None if draw.seed is None else _Noise(draw.seed, z.device)
    buffers = [z.new_empty(at_once, codes) for _ in range(3)]
    for start in range(0, len(z), at_once):
        part = slice(start, min(start + at_once, len(z)))
        yield part, _Chunk(buffers, part.stop - start, noise)
