"""Mixtures of codebook entries by softmax, with Gumbel noise or without, in bounded memory.

Axes: N tokens, K codes, D latent width, n tokens of a chunk.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Logits of a chunk, and its fewest tokens: with fewer, weights are read more than computed with.
SCORES = 1 << 19
SCORES_ON_GPU = 1 << 25
TOKENS = 32
# Float32 counts codes exactly below this.
EXACT = 1 << 24


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

    N x K is never held: three buffers of max(`scores`, TOKENS K) floats are. Backward computes the
    logits anew and draws the noise anew from its seed: the gradient is exact, but only the first
    one. Float32 with autocast off.
    """
    found: tuple[Tensor, Tensor, Tensor] = _Mixture.apply(
        z, weight, bias, codebook, temperature.reciprocal(), draw
    )
    return found


@torch.compiler.disable
@torch.no_grad()
def likeliest_codes(z: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Index (N,) int64 of the largest of z weight^T + bias, the first of equals.

    The codes of `softmax_mixture`, and its bound on memory.
    """
    codes = torch.empty(len(z), dtype=torch.int64, device=z.device)
    for part, chunk in _chunks(z, len(weight), Draw(seed=None, hard=True)):
        codes[part] = chunk.argmax(*chunk.logits(z[part], weight, bias))
    return codes


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
            logits, best = chunk.logits(z[part], weight, bias)
            codes[part] = chunk.argmax(logits, best)
            log_sum[part], negentropy[part] = chunk.divergence(logits, best)
            if draw.hard:
                chosen[part] = codes[part] if draw.seed is None else chunk.sample(logits)
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
    of_weight, of_bias = torch.zeros_like(weight), torch.zeros_like(bias)
    of_codebook = torch.zeros_like(codebook)
    if draw.hard:
        of_codebook.index_add_(0, latents, at_mixture)
    sharpened = at_mixture * sharpness
    for part, chunk in _chunks(z, len(weight), draw):
        log_p, _ = chunk.logits(z[part], weight, bias)
        log_p.sub_(log_sum[part])
        y = chunk.mix(log_p, sharpness)
        if not draw.hard:
            of_codebook.addmm_(y.T, at_mixture[part])
        at_y = torch.mm(sharpened[part], codebook.T, out=chunk.noise)
        if draw.hard:
            mean = torch.linalg.vecdot(at_y, y)
        else:
            mean = torch.linalg.vecdot(sharpened[part], latents[part])
        of_logits = at_y.sub_(mean[:, None]).mul_(y)
        if at_divergence is not None:  # its own is p (log p - sum p log p)
            p = torch.softmax(log_p, 1, out=chunk.spare)
            of_logits.addcmul_(log_p.sub_(negentropy[part]).mul_(at_divergence / len(z)), p)
        torch.mm(of_logits, weight, out=of_z[part])
        of_weight.addmm_(of_logits.T, z[part])
        of_bias.add_(of_logits.sum(0))
    return of_z, of_weight, of_bias, of_codebook


class _Chunk:
    """Buffers (n, K) for one chunk of tokens, and what is computed in them."""

    def __init__(self, buffers: tuple[Tensor, Tensor, Tensor], tokens: int, codes: int) -> None:
        size = tokens * codes
        self.scores, self.noise, self.spare = (
            buffer.view(torch.float32)[:size].view(tokens, codes) for buffer in buffers
        )
        # The third again, as the random words of one chunk: two floats a word.
        self.words = buffers[2][: (size + 1) // 2]
        self.generator: torch.Generator | None = None

    def logits(self, z: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, K) and the best (n, 1) of each token."""
        logits = torch.addmm(bias, z, weight.T, out=self.scores)
        return logits, logits.amax(1, keepdim=True)

    def argmax(self, x: Tensor, best: Tensor) -> Tensor:
        """Index (n,) of the first element of each row of x (n, K) that equals `best` (n, 1)."""
        K = x.shape[1]
        if x.device.type != "cpu" or K >= EXACT:
            return x.argmax(1)
        # argmax of a row is not vectorized on CPUs: four passes that are take a third of its time.
        countdown = torch.arange(K, 0, -1, dtype=x.dtype)
        remaining = torch.eq(x, best, out=self.spare).mul_(countdown).amax(1)
        return (K - remaining).long().clamp_(max=K - 1)  # NaN equals nothing, not even itself

    def divergence(self, logits: Tensor, best: Tensor) -> tuple[Tensor, Tensor]:
        """log sum exp(logits) and sum p log p, both (n, 1); shifts `logits` by -`best`."""
        logits.sub_(best)
        p = torch.softmax(logits, 1, out=self.spare)
        log_sum = p.amax(1, keepdim=True).log_().neg_()  # of the shifted
        negentropy = torch.linalg.vecdot(p, logits)[:, None] - log_sum
        return log_sum + best, negentropy

    def sample(self, logits: Tensor) -> Tensor:
        """Codes (n,) of the largest noisy logits: samples of softmax(logits)."""
        noisy = self._noisy(logits)
        return self.argmax(noisy, noisy.amax(1, keepdim=True))

    def mix(self, logits: Tensor, sharpness: Tensor) -> Tensor:
        """softmax((logits + g) sharpness), (n, K), in `spare`; leaves `logits` as they were."""
        return torch.softmax(self._noisy(logits).mul_(sharpness), 1, out=self.spare)

    def _noisy(self, logits: Tensor) -> Tensor:
        if self.generator is None:
            return self.noise.copy_(logits)
        return torch.sub(logits, self._log_exponential(self.generator), out=self.noise)

    def _log_exponential(self, generator: torch.Generator) -> Tensor:
        """Logarithms (n, K) of standard exponential numbers: a Gumbel number's negative."""
        if self.noise.device.type != "cpu":
            return self.noise.exponential_(generator=generator).log_()
        # exponential_ takes six times as long: it draws and takes the logarithm one at a time.
        words = self.words.random_(-(1 << 63), None, generator=generator).view(torch.int32)
        negative = self.noise.view(-1).copy_(words[: self.noise.numel()])
        # -v for v in (0, 1), fine near 0, where -log(1 - v) is small and the Gumbel number large.
        negative.abs_().mul_(-(2.0**-31)).clamp_(2.0**-24 - 1, -(2.0**-32))
        return negative.log1p_().neg_().log_().view_as(self.noise)


def _chunks(z: Tensor, codes: int, draw: Draw) -> Iterator[tuple[slice, _Chunk]]:
    """Parts of N tokens with buffers for each; the noise of a seed goes through them in order."""
    scores = draw.scores or (SCORES if z.device.type == "cpu" else SCORES_ON_GPU)
    at_once = min(max(scores // codes, TOKENS), len(z))
    generator = None
    if draw.seed is not None:
        generator = torch.Generator(device=z.device).manual_seed(draw.seed)
    words = (at_once * codes + 1) // 2
    buffers = tuple(torch.empty(words, dtype=torch.int64, device=z.device) for _ in range(3))
    for start in range(0, len(z), at_once):
        part = slice(start, min(start + at_once, len(z)))
        chunk = _Chunk(buffers, part.stop - start, codes)  # type: ignore[arg-type]
        chunk.generator = generator
        yield part, chunk
