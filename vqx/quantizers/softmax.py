"""Softmax over all codes in bounded memory: entropies, mean probabilities, mixtures of entries.

p = softmax(scale (z E^T + bias)) is N x K, far too large to keep. It is computed for a few tokens
at a time, and again in the backward pass.

Axes: N tokens, n of them at once, K codes, D latent width.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vqx.quantizers.nearest import scores_held

# Tokens at once where K is so large that `scores_held` has room for fewer: a product of a few rows
# would do little but read the codebook.
ROWS = 32
# Stands for any smaller probability: denormal numbers slow products down manyfold on some
# processors, and at a low temperature there are many.
SMALLEST = 1e-30


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
) -> tuple[Tensor, Tensor]:
    """Mean over tokens of the entropy () in nats of p and of p itself (K,).

    p = softmax(scale (z E^T + bias)) for rows z (N, D), `codebook` E (K, D) and `bias` (K,), None:
    0; differentiable in all three. Float32 whatever autocast says. Beside inputs and results (or
    their gradients) it holds 2 n K numbers, n = max(scores / K, ROWS); `scores` None: what
    `scores_held` says.
    """
    scales = Scales(scale, None)
    _, entropy, mean = _apply(z, codebook, bias, None, scales, scores)
    return entropy, mean


@torch.compiler.disable
def softmax_mixture(
    z: Tensor,
    codebook: Tensor,
    bias: Tensor | None = None,
    *,
    scale: float,
    statistics_scale: float | None = None,
    values: Tensor | None = None,
    scores: int | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """p E (N, D), and mean entropy () and mean probabilities (K,) of a second softmax.

    As `softmax_statistics`, whose results belong to `statistics_scale` (None: they are 0); both
    share the products. `values` (N, D): returned in place of p E, which is then not computed, with
    its gradient: a straight-through estimate. The backward pass holds 3 n K numbers.
    """
    return _apply(z, codebook, bias, values, Scales(statistics_scale, scale), scores)


def _apply(
    z: Tensor,
    codebook: Tensor,
    bias: Tensor | None,
    values: Tensor | None,
    scales: Scales,
    scores: int | None,
) -> tuple[Tensor, Tensor, Tensor]:
    with torch.autocast(z.device.type, enabled=False):
        z, codebook = z.float(), codebook.float()
        bias = codebook.new_zeros(len(codebook)) if bias is None else bias.float()
        rows = max((scores or scores_held(z.device)) // len(codebook), ROWS)
        values = None if values is None else values.detach()
        out: tuple[Tensor, Tensor, Tensor] = _Softmax.apply(z, codebook, bias, values, scales, rows)
        return out


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        z: Tensor,
        codebook: Tensor,
        bias: Tensor,
        values: Tensor | None,
        scales: Scales,
        rows: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        ctx.save_for_backward(z, codebook, bias)
        ctx.scales, ctx.rows = scales, rows
        ctx.set_materialize_grads(False)
        entropy, mean = z.new_zeros(()), z.new_zeros(len(codebook))
        if scales.statistics is not None:
            entropy, mean = _statistics(z, codebook, bias, scales.statistics, rows)
        if values is not None:
            mixture = values.view_as(values)
        elif scales.mixture is not None:
            mixture = _mixture(z, codebook, bias, scales.mixture, rows)
        else:
            mixture = z.new_zeros(())
        return mixture, entropy, mean

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        z, codebook, bias = ctx.saved_tensors
        with torch.autocast(z.device.type, enabled=False):
            found = _Backward(z, codebook, bias, ctx.scales, *gradients).run(ctx.rows)
        return *found, None, None, None


def _chunks(z: Tensor, codebook: Tensor, rows: int, buffers: int) -> Iterator[tuple[Any, ...]]:
    """The slice of each chunk, and views (n, K) of `buffers` buffers that all chunks share."""
    rows = min(rows, len(z))
    room = [z.new_empty(rows, len(codebook)) for _ in range(buffers)]
    for start in range(0, len(z), rows):
        part = slice(start, min(start + rows, len(z)))
        yield part, *(buffer[: part.stop - start] for buffer in room)


def _shifted_scores(z: Tensor, codebook: Tensor, bias: Tensor, out: Tensor) -> None:
    """z E^T + bias less its maximum in each row: all further arithmetic is on small numbers."""
    torch.addmm(bias, z, codebook.T, out=out)
    out.sub_(out.amax(1, keepdim=True))


def _probabilities(scores: Tensor, scale: float, *, scaled: Tensor, out: Tensor) -> None:
    """softmax of `scaled` = scale scores; that may be `scores` itself, `out` may not."""
    torch.mul(scores, scale, out=scaled)
    torch.softmax(scaled, 1, out=out)
    out.clamp_(min=SMALLEST)


def _statistics(
    z: Tensor, codebook: Tensor, bias: Tensor, scale: float, rows: int
) -> tuple[Tensor, Tensor]:
    entropy, total = z.new_zeros(()), z.new_zeros(len(codebook))
    for part, s, p in _chunks(z, codebook, rows, 2):
        _shifted_scores(z[part], codebook, bias, s)
        _probabilities(s, scale, scaled=s, out=p)
        total += p.sum(0)
        # H = log sum exp(s) - sum p s; as the largest s is 0, the largest p is 1 / sum exp(s).
        entropy -= (p.amax(1).log() + s.mul_(p).sum(1)).sum()
    return entropy / len(z), total / len(z)


def _mixture(z: Tensor, codebook: Tensor, bias: Tensor, scale: float, rows: int) -> Tensor:
    mixture = torch.empty_like(z)
    for part, s, p in _chunks(z, codebook, rows, 2):
        _shifted_scores(z[part], codebook, bias, s)
        _probabilities(s, scale, scaled=s, out=p)
        torch.mm(p, codebook, out=mixture[part])
    return mixture


class _Backward:
    """Gradients for z, E and bias, chunk by chunk.

    With s the scaled scores and A = dL/dp, the gradient for s is p (A - sum p A). The statistics
    have A = -dL/dH s / N + dL/dmean p / N, the mixture has A = G E^T with G its own gradient, and p
    also weighs E in it, which adds p^T G to the gradient for E.
    """

    def __init__(
        self,
        z: Tensor,
        codebook: Tensor,
        bias: Tensor,
        scales: Scales,
        at_mixture: Tensor | None,
        at_entropy: Tensor | None,
        at_mean: Tensor | None,
    ) -> None:
        self.z, self.codebook, self.bias, self.scales = z, codebook, bias, scales
        self.at_mixture = at_mixture if scales.mixture is not None else None
        # Factor and summand (K,) that make A, times dS / dscores, of the statistics' scores S.
        self.linear: tuple[Tensor, Tensor] | None = None
        if scales.statistics is not None and (at_entropy is not None or at_mean is not None):
            share, zero = scales.statistics / len(z), z.new_zeros(())
            at_entropy, at_mean = (zero if x is None else x for x in (at_entropy, at_mean))
            self.linear = -share * at_entropy, share * at_mean

    def run(self, rows: int) -> tuple[Tensor, Tensor, Tensor]:
        z, codebook = self.z, self.codebook
        at_z, at_bias = torch.empty_like(z), torch.zeros_like(self.bias)
        # A product of K x n with the few columns of n x D is up to ten times slower than D x n with
        # n x K, unless n is small.
        wide = min(rows, len(z)) > codebook.shape[1]
        at_codebook = torch.zeros_like(codebook.T if wide else codebook).contiguous()

        def add(weights: Tensor, vectors: Tensor) -> None:
            if wide:
                at_codebook.addmm_(vectors.T, weights)
            else:
                at_codebook.addmm_(weights.T, vectors)

        both = self.linear is not None and self.at_mixture is not None
        for part, s, p, *extra in _chunks(z, codebook, rows, 3 if both else 2):
            _shifted_scores(z[part], codebook, self.bias, s)
            at_scores = extra[0] if both else s
            if self.linear is not None:
                self._through_statistics(s, p, at_scores)
            if self.at_mixture is not None:
                self._through_mixture(part, s, p)
                add(p, self.at_mixture[part])
                at_scores = at_scores.add_(s) if both else s
            at_z[part] = torch.mm(codebook.T, at_scores.T).T
            add(at_scores, z[part])
            at_bias += at_scores.sum(0)
        return at_z, at_codebook.T.contiguous() if wide else at_codebook, at_bias

    def _through_statistics(self, s: Tensor, p: Tensor, out: Tensor) -> None:
        """Gradient for the scores in `out`, which may be `s`."""
        assert self.scales.statistics is not None
        assert self.linear is not None
        _probabilities(s, self.scales.statistics, scaled=out, out=p)
        factor, summand = self.linear
        out.mul_(factor).add_(summand)
        _through_softmax(p, out)

    def _through_mixture(self, part: slice, s: Tensor, p: Tensor) -> None:
        """Gradient for the scores in place of the scores `s`; `p` ends as the probabilities."""
        assert self.scales.mixture is not None
        assert self.at_mixture is not None
        _probabilities(s, self.scales.mixture, scaled=s, out=p)
        torch.mm(self.at_mixture[part] * self.scales.mixture, self.codebook.T, out=s)
        _through_softmax(p, s)


def _through_softmax(p: Tensor, at_p: Tensor) -> None:
    """p (A - sum p A) in place of A, `at_p` (n, K)."""
    at_p.mul_(p)
    at_p.addcmul_(p, at_p.sum(1, keepdim=True), value=-1)
