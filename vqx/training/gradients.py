"""From loss values to the gradient at the decoder's output.

The graph is cut there: every loss network is walked once, the tokenizer once, and an adaptive
weight costs the decoder's head alone.

Axes: B images, C channels, H W pixels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vqx.collectives import sum_over_ranks, world_size
from vqx.losses import LpipsLoss, WeightedSum
from vqx.models import Tokenizer
from vqx.training.precision import Precision


@dataclass(frozen=True, slots=True)
class OutputGradients:
    """Gradients at the decoder's output, all times the loss scale, and what they are of.

    `base`: of the sum of all terms but the adversarial one; `adversarial`: of that term alone,
    unweighted, None where it does not count; `reference`: of what an adaptive weight compares it
    with, None without. `values`: every term, detached; `total`: the value that `base` is of.
    """

    base: Tensor
    adversarial: Tensor | None
    reference: Tensor | None
    values: dict[str, Tensor]
    total: Tensor


def output_gradients(
    losses: WeightedSum,
    tokenizer: Tokenizer,
    output: Tensor,
    images: Tensor,
    *,
    step: int,
    precision: Precision,
) -> OutputGradients:
    """Evaluate `losses` on the decoder's `output` for `images` (B, C, H, W) at step `step`.

    Nothing is back-propagated beyond `output`.
    """
    leaf = output.detach().requires_grad_()
    with precision.autocast():
        reconstruction = tokenizer.images_of(leaf)
        values = losses.values(reconstruction, images, step=step, logits=leaf)
    named = losses.adversarial
    counted = named is not None and losses.counts(named[0], step=step)
    others = {n: v for n, v in values.items() if named is None or n != named[0]}
    total = losses.total(others, step=step)
    adaptive = named[1].adaptive if counted and named is not None else None
    reference = _reference(losses, adaptive)
    adversarial, of_reference = None, None
    if counted and named is not None:
        (adversarial,) = _gradient(precision, values[named[0]], leaf)
    if reference is not None:  # one term: the rest of the sum apart, so that none is walked twice
        rest = losses.total({n: v for n, v in others.items() if n != reference}, step=step)
        (of_reference,) = _gradient(precision, values[reference], leaf)
        base = losses.weights[reference] * of_reference
        if rest.requires_grad:
            base = base + _gradient(precision, rest, leaf)[0]
    else:
        (base,) = _gradient(precision, total, leaf)
        of_reference = base if adaptive else None
    detached = {name: value.detach() for name, value in values.items()}
    return OutputGradients(base, adversarial, of_reference, detached, total.detach())


def _reference(losses: WeightedSum, adaptive: str | None) -> str | None:
    """Name of the one term whose gradient an adaptive weight is relative to, None for all."""
    if adaptive != "perceptual":
        return None
    return next(name for name, term in losses.terms.items() if isinstance(term, LpipsLoss))


def _gradient(precision: Precision, value: Tensor, leaf: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(precision.scaler.scale(value), leaf, retain_graph=True)


class HeadGradients:
    """Gradients of the weights of the decoder's last layer, from gradients at its output.

    The head is computed once more from its remembered input, so nothing else of the graph is
    needed. Sums are over micro-batches; `sums` adds the ranks'.
    """

    def __init__(self, tokenizer: Tokenizer, precision: Precision) -> None:
        self._head: nn.Module = tokenizer.decoder.head  # type: ignore[assignment]
        self._weights = [p for p in self._head.parameters() if p.ndim > 1]
        self._precision = precision
        self._input: Tensor | None = None
        self._sums: list[list[Tensor]] = []
        # A compiled decoder is interrupted here, so that what is remembered is a plain tensor.
        self._head.register_forward_pre_hook(torch.compiler.disable(self._remember))

    def clear(self) -> None:
        """Start a step."""
        self._sums = []

    def add(self, gradients: Sequence[Tensor], *, share: float) -> None:
        """Add `share` of the weights' gradients for each of the `gradients` at the output."""
        assert self._input is not None
        given, self._input = self._input, None
        with torch.enable_grad(), self._precision.autocast():
            output = self._head(given)
        self._input = None  # that pass was remembered too
        scale = self._precision.scaler.get_scale() if self._precision.scaler.is_enabled() else 1.0
        found = [
            [g.float() * (share / scale) for g in self._pulled(output, gradient)]
            for gradient in gradients
        ]
        if not self._sums:
            self._sums = found
        else:
            self._sums = [
                [a + b for a, b in zip(mine, new, strict=True)]
                for mine, new in zip(self._sums, found, strict=True)
            ]

    def sums(self) -> list[list[Tensor]]:
        """For each kind of gradient those of the weights, of the whole batch of all ranks."""
        return [
            [sum_over_ranks(gradient) / world_size() for gradient in kind] for kind in self._sums
        ]

    def _pulled(self, output: Tensor, gradient: Tensor) -> tuple[Tensor, ...]:
        gradient = gradient.to(output.dtype)
        return torch.autograd.grad(output, self._weights, gradient, retain_graph=True)

    def _remember(self, head: nn.Module, given: tuple[Tensor, ...]) -> None:
        if head.training:
            self._input = given[0].detach()


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over ranks: what DDP does, for parameters it has not."""
    if world_size() == 1:
        return
    parameters = list(parameters)
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = sum_over_ranks(torch.cat([g.flatten() for g in gradients])) / world_size()
    pieces = flat.split([g.numel() for g in gradients])
    for gradient, piece in zip(gradients, pieces, strict=True):
        gradient.copy_(piece.view_as(gradient))
