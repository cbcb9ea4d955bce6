"""From loss values to the gradient at the decoder's output.

The graph is cut there: every loss network is walked once, the tokenizer once, and an adaptive
weight costs the decoder's head alone.

Axes: B images, C channels, H W pixels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

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
    reference = perceptual_term(losses, step=step) if adaptive == "perceptual" else None
    adversarial, of_reference = None, None
    if counted and named is not None:
        (adversarial,) = _gradient(precision, values[named[0]], leaf)
    if reference is not None:  # one term: the rest of the sum apart, so that none is walked twice
        (of_reference,) = _gradient(precision, values[reference], leaf)
        base = losses.weights[reference] * of_reference
        rest = {n: v for n, v in others.items() if n != reference}
        if any(losses.counts(name, step=step) for name in rest):
            base = base + _gradient(precision, losses.total(rest, step=step), leaf)[0]
    else:
        (base,) = _gradient(precision, total, leaf)
        of_reference = base if adaptive else None
    detached = {name: value.detach() for name, value in values.items()}
    return OutputGradients(base, adversarial, of_reference, detached, total.detach())


def perceptual_term(losses: WeightedSum, *, step: int) -> str | None:
    """Name of the LPIPS term that counts at optimizer step `step`, None without one."""
    lpips = [name for name, term in losses.terms.items() if isinstance(term, LpipsLoss)]
    return next((name for name in lpips if losses.counts(name, step=step)), None)


def _gradient(precision: Precision, value: Tensor, leaf: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(precision.scaler.scale(value), leaf, retain_graph=True)


class HeadGradients:
    """Gradients of the weights of the decoder's last layer, from gradients at its output.

    The head is computed once more from its remembered input, so nothing else of the graph is
    needed. The weights are those in use, after any parametrization. Sums are over micro-batches;
    `sums` adds the ranks'.
    """

    def __init__(self, tokenizer: Tokenizer, precision: Precision) -> None:
        self._head: nn.Module = tokenizer.decoder.head  # type: ignore[assignment]
        self._precision = precision
        self._watching = False
        self._input: Tensor | None = None
        self._sums: list[list[Tensor]] = []
        # A compiled decoder is interrupted here, so that what is remembered is a plain tensor.
        self._head.register_forward_pre_hook(torch.compiler.disable(self._remember))

    def begin(self, *, watching: bool) -> None:
        """Start a step; not `watching`, nothing is remembered."""
        self._sums, self._watching = [], watching

    def add(self, gradients: Sequence[Tensor], *, share: float) -> None:
        """Add `share` of the weights' gradients for each of the `gradients` at the output."""
        assert self._input is not None
        given, self._input, self._watching = self._input, None, False
        with torch.enable_grad(), self._precision.autocast(), parametrize.cached():
            output = self._head(given)
            weights = [w for m in self._head.modules() if (w := _kernel(m)) is not None]
        self._watching = True
        found = [self._pulled(output, weights, gradient, share) for gradient in gradients]
        before = self._sums or [[torch.zeros_like(g) for g in kind] for kind in found]
        self._sums = [
            [a + b for a, b in zip(mine, new, strict=True)]
            for mine, new in zip(before, found, strict=True)
        ]

    def sums(self) -> list[list[Tensor]]:
        """For each kind of gradient those of the weights, of the whole batch; ends the step."""
        self._watching = False
        return [
            [sum_over_ranks(gradient) / world_size() for gradient in kind] for kind in self._sums
        ]

    def _pulled(
        self, output: Tensor, weights: Sequence[Tensor], gradient: Tensor, share: float
    ) -> list[Tensor]:
        gradient = gradient.to(output.dtype)
        pulled = torch.autograd.grad(output, weights, gradient, retain_graph=True)
        # On the device: asking for the number would wait for it.
        scale = self._precision.scaler.scale(torch.ones((), device=output.device))
        return [g.float() * share / scale for g in pulled]

    def _remember(self, _: nn.Module, given: tuple[Tensor, ...]) -> None:
        if self._watching:
            self._input = given[0].detach()


def _kernel(module: nn.Module) -> Tensor | None:
    """The weights of more than one dimension that a layer computes with."""
    weight = getattr(module, "weight", None)
    return weight if isinstance(weight, Tensor) and weight.ndim > 1 else None


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
