"""Softmax over all codes in bounded memory: codes, entropies, mean probabilities, mixtures.

p = softmax(scale (z E^T + bias)) is N x K, far too large to keep. It is computed for a few tokens
at a time, and again in the backward pass. The largest score of each token is searched on the way:
a search of its own would cost another product.

Axes: N tokens, n of them at once, K codes, D latent width.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vqx.quantizers.nearest import first_maximum, scores_held

# Tokens at once where K is so large that `scores_held` has room for fewer: a product of a few rows
# would do little but read the codebook.
ROWS = 32
# Stands for any lower scaled score, the best of a token being 0: probabilities below e^-69, 1e-30,
# would soon be denormal, and such numbers slow exponentials and products down on many processors.
LOWEST = -69.0


class Scales(NamedTuple):
    """Factor of the scores in the statistics' and in the mixture's softmax; None: not wanted."""

    statistics: float | None
    mixture: float | None


@torch.compiler.disable
def softmax_statistics(
    z: Tensor,
    codebook: Tensor,
    bias: Tensor | None = None,
    *,
    scale: float,
    scores: int | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean over tokens of the entropy () in nats of p and of p itself (K,), and codes (N,) int64.

    p = softmax(scale (z E^T + bias)) for rows z (N, D), `codebook` E (K, D) and `bias` (K,), None:
    0; differentiable in all three. codes: argmax of p, the first of equals, with the scores of
    `best_codes`. Float32 whatever autocast says. Beside inputs and results (or their gradients) it
    holds 2 n K numbers, n = max(scores / K, ROWS); `scores` None: what `scores_held` says.
    """
    scales = Scales(scale, None)
    return _apply(z, codebook, bias, scales, hard=False, scores=scores)[1:]


@torch.compiler.disable
def softmax_mixture(
    z: Tensor,
    codebook: Tensor,
    bias: Tensor | None = None,
    *,
    scale: float,
    statistics_scale: float | None = None,
    hard: bool = False,
    scores: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """p E (N, D), and mean entropy (), mean probabilities (K,), codes (N,) of a second softmax.

    As `softmax_statistics`, whose results belong to `statistics_scale` (None: entropy and mean are
    0); both share the products. `hard`: entries E of the codes in place of p E, which is then not
    computed, with the gradient that p E has through p alone: (onehot + p - sg(p)) sg(E). With both
    softmaxes it holds 3 n K numbers.
    """
    return _apply(z, codebook, bias, Scales(statistics_scale, scale), hard=hard, scores=scores)


def _apply(
    z: Tensor,
    codebook: Tensor,
    bias: Tensor | None,
    scales: Scales,
    *,
    hard: bool,
    scores: int | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    with torch.autocast(z.device.type, enabled=False):
        z, codebook = z.float(), codebook.float()
        bias = codebook.new_zeros(len(codebook)) if bias is None else bias.float()
        rows = max((scores or scores_held(z.device)) // len(codebook), ROWS)
        out: tuple[Tensor, Tensor, Tensor, Tensor]
        out = _Softmax.apply(z, codebook, bias, scales, hard, rows)
        return out


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        z: Tensor,
        codebook: Tensor,
        bias: Tensor,
        scales: Scales,
        hard: bool,
        rows: int,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        found = _Forward(z, codebook, bias, scales, hard).run(rows)
        ctx.save_for_backward(z, codebook, bias, found.best)
        ctx.scales, ctx.hard, ctx.rows = scales, hard, rows
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(found.codes)
        if scales.mixture is None:
            mixture = z.new_zeros(())
        else:
            mixture = codebook[found.codes] if hard else found.mixture
        return mixture, found.entropy / len(z), found.total / len(z), found.codes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        with torch.autocast(ctx.saved_tensors[0].device.type, enabled=False):
            wanted = ctx.needs_input_grad[:3]
            backward = _Backward(ctx.saved_tensors, ctx.scales, ctx.hard, wanted, gradients[:3])
            return *backward.run(ctx.rows), None, None, None


def _chunks(z: Tensor, codebook: Tensor, rows: int, buffers: int) -> Iterator[tuple[Any, ...]]:
    """The slice of each chunk, and views (n, K) of `buffers` buffers that all chunks share."""
    rows = min(rows, len(z))
    room = [z.new_empty(rows, len(codebook)) for _ in range(buffers)]
    for start in range(0, len(z), rows):
        part = slice(start, min(start + rows, len(z)))
        yield part, *(buffer[: part.stop - start] for buffer in room)


def _probabilities(
    scores: Tensor, best: Tensor, scale: float, *, scaled: Tensor, out: Tensor
) -> None:
    """softmax of `scaled` = scale (scores - best), at least LOWEST.

    `scaled` may be `scores` itself, `out` may not. All arithmetic that follows is then on
    small numbers. Subtracting scale best in one pass would not do: where scores are large, rounding
    would leave a large number.
    """
    torch.sub(scores, best, out=scaled)
    if scale != 1:
        scaled.mul_(scale)
    scaled.clamp_(min=LOWEST)
    torch.softmax(scaled, 1, out=out)


class _Forward:
    """Codes and their scores `best` (N, 1), sums over tokens of entropies and p, mixtures."""

    def __init__(
        self, z: Tensor, codebook: Tensor, bias: Tensor, scales: Scales, hard: bool
    ) -> None:
        self.z, self.codebook, self.bias, self.scales = z, codebook, bias, scales
        self.mixes = scales.mixture is not None and not hard
        self.mixture = torch.empty_like(z) if self.mixes else z
        self.codes = torch.empty(len(z), dtype=torch.int64, device=z.device)
        self.best = z.new_empty(len(z), 1)
        self.entropy, self.total = z.new_zeros(()), z.new_zeros(len(codebook))

    def run(self, rows: int) -> "_Forward":
        z, codebook = self.z, self.codebook
        both = self.mixes and self.scales.statistics is not None
        for part, s, p, *extra in _chunks(z, codebook, rows, 3 if both else 2):
            torch.addmm(self.bias, z[part], codebook.T, out=s)
            self.codes[part] = first_maximum(s)
            self.best[part] = s.gather(1, self.codes[part, None])
            if self.mixes:
                self._mix(part, s, p, extra[0] if both else s)
            if self.scales.statistics is not None:
                self._measure(part, s, p)
        return self

    def _mix(self, part: slice, s: Tensor, p: Tensor, scaled: Tensor) -> None:
        assert self.scales.mixture is not None
        _probabilities(s, self.best[part], self.scales.mixture, scaled=scaled, out=p)
        torch.mm(p, self.codebook, out=self.mixture[part])

    def _measure(self, part: slice, s: Tensor, p: Tensor) -> None:
        assert self.scales.statistics is not None
        _probabilities(s, self.best[part], self.scales.statistics, scaled=s, out=p)
        self.total += p.sum(0)
        # H = log sum exp(s) - sum p s; as the largest s is 0, the largest p is 1 / sum exp(s).
        largest = p.gather(1, self.codes[part, None])
        self.entropy -= largest.log().sum() + s.mul_(p).sum()


class _Backward:
    """Gradients for z, E and bias, chunk by chunk.

    With s the scaled scores and A = dL/dp, the gradient for s is p (A - sum p A). The statistics
    have A = -dL/dH s / N + dL/dmean p / N, the mixture has A = G E^T with G its own gradient, and p
    also weighs E in it, which adds p^T G to the gradient for E unless it is hard.
    """

    def __init__(
        self,
        saved: tuple[Tensor, ...],
        scales: Scales,
        hard: bool,
        wanted: tuple[bool, ...],
        gradients: tuple[Tensor | None, ...],
    ) -> None:
        self.z, self.codebook, self.bias, self.best = saved
        self.scales, self.hard, self.wanted = scales, hard, wanted
        at_mixture, at_entropy, at_mean = gradients
        self.at_mixture = at_mixture if scales.mixture is not None else None
        # Factor and summand (K,) that make A, times dS / dscores, of the statistics' scores S.
        self.linear: tuple[Tensor, Tensor] | None = None
        if scales.statistics is not None and (at_entropy is not None or at_mean is not None):
            share, zero = scales.statistics / len(self.z), self.z.new_zeros(())
            at_entropy, at_mean = (zero if x is None else x for x in (at_entropy, at_mean))
            self.linear = -share * at_entropy, share * at_mean

    def run(self, rows: int) -> tuple[Tensor | None, ...]:
        """Gradients for z, E and bias, None for one that is not wanted."""
        both = self.linear is not None and self.at_mixture is not None
        if self.linear is None and self.at_mixture is None:
            return None, None, None
        z, codebook = self.z, self.codebook
        for_z, for_codebook, for_bias = self.wanted
        at_z, at_bias = torch.empty_like(z), torch.zeros_like(self.bias)
        weighted = WeightedSum(codebook, min(rows, len(z)))
        for part, s, p, *extra in _chunks(z, codebook, rows, 3 if both else 2):
            torch.addmm(self.bias, z[part], codebook.T, out=s)
            at_scores = extra[0] if both else s
            if self.linear is not None:
                self._through_statistics(part, s, p, at_scores)
            if self.at_mixture is not None:
                self._through_mixture(part, s, p)
                if for_codebook and not self.hard:
                    weighted.add(p, self.at_mixture[part])
                at_scores = at_scores.add_(s) if both else s
            if for_z:
                torch.mm(at_scores, codebook, out=at_z[part])
            if for_codebook:
                weighted.add(at_scores, z[part])
            if for_bias:
                at_bias += at_scores.sum(0)
        found = at_z, weighted.total(), at_bias
        return tuple(x if wanted else None for x, wanted in zip(found, self.wanted, strict=True))

    def _through_statistics(self, part: slice, s: Tensor, p: Tensor, out: Tensor) -> None:
        """Gradient for the scores in `out`, which may be `s`."""
        assert self.scales.statistics is not None
        assert self.linear is not None
        _probabilities(s, self.best[part], self.scales.statistics, scaled=out, out=p)
        factor, summand = self.linear
        torch.addcmul(summand, out, factor, out=out)
        _through_softmax(p, out)

    def _through_mixture(self, part: slice, s: Tensor, p: Tensor) -> None:
        """Gradient for the scores in place of the scores `s`; `p` ends as the probabilities."""
        assert self.scales.mixture is not None
        assert self.at_mixture is not None
        _probabilities(s, self.best[part], self.scales.mixture, scaled=s, out=p)
        torch.mm(self.at_mixture[part] * self.scales.mixture, self.codebook.T, out=s)
        _through_softmax(p, s)


def _through_softmax(p: Tensor, at_p: Tensor) -> None:
    """p (A - sum p A) in place of A, `at_p` (n, K)."""
    at_p.mul_(p)
    at_p.addcmul_(p, at_p.sum(1, keepdim=True), value=-1)


class WeightedSum:
    """Sum over chunks of `n` tokens of weights^T vectors (K, D), for a gradient of `codebook`."""

    def __init__(self, codebook: Tensor, n: int) -> None:
        # A product of K x n with the few columns of n x D is up to ten times slower than D x n with
        # n x K, unless n is small.
        self.wide = n > codebook.shape[1]
        self.sum = torch.zeros_like(codebook.T if self.wide else codebook).contiguous()

    def add(self, weights: Tensor, vectors: Tensor) -> None:
        """Add that of `weights` (n, K) and `vectors` (n, D)."""
        if self.wide:
            self.sum.addmm_(vectors.T, weights)
        else:
            self.sum.addmm_(weights.T, vectors)

    def total(self) -> Tensor:
        """The sum (K, D), contiguous."""
        return self.sum.T.contiguous() if self.wide else self.sum
