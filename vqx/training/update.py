"""One optimizer step: the tokenizer's, and the discriminator's where there is one.

Axes: B images of the global batch, b of a micro-batch, C channels, H W pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from vqx.losses import WeightedSum, adaptive_weight
from vqx.quantizers import Quantized
from vqx.training.adversary import Adversary, Pair
from vqx.training.gradients import (
    HeadGradients,
    OutputGradients,
    average_gradients,
    output_gradients,
)
from vqx.training.health import CodebookHealth
from vqx.training.inputs import MicroBatch
from vqx.training.precision import Precision
from vqx.training.step import survey, synchronised_if, tokenizer_in


@dataclass(slots=True)
class _Tally:
    """Each value's sum over micro-batches, by share, and what the discriminator will look at."""

    values: dict[str, Tensor] = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)

    def add(self, values: Mapping[str, Tensor], share: float) -> None:
        for name, value in values.items():
            self.values[name] = self.values.get(name, 0) + value.detach().float() * share


@dataclass(slots=True)
class Update:
    """Moves the weights once by the gradient of the mean loss over the global batch.

    DDP averages over ranks only in the last micro-batch's backward pass. A quantizer whose loss is
    one of the whole batch sees all of it first. An adaptive weight is that of the whole batch too:
    with several micro-batches the adversarial gradient is kept apart until it is known.

    `steps`: length of the run. Codes go to `health`.
    """

    forward: nn.Module
    losses: WeightedSum
    optimizer: torch.optim.Optimizer
    parameters: list[nn.Parameter]
    precision: Precision
    health: CodebookHealth
    clip_norm: float | None
    steps: int
    adversary: Adversary | None = None
    _head: HeadGradients | None = field(init=False, default=None)
    _apart: list[Tensor] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        if self.adversary is not None and self.adversary.term.adaptive:
            self._head = HeadGradients(tokenizer_in(self.forward), self.precision)

    def __call__(
        self, batches: Sequence[MicroBatch], *, step: int, quantize: bool = True
    ) -> dict[str, Tensor]:
        """Take optimizer step `step`; this rank's share of each mean value, detached.

        Without `quantize` the decoder sees latents (pretraining).
        """
        self.optimizer.zero_grad(set_to_none=True)
        tokenizer = tokenizer_in(self.forward)
        if quantize and len(batches) > 1 and tokenizer.quantizer.needs_survey:
            survey(tokenizer, [batch.inputs for batch in batches], self.precision)
        tally = _Tally()
        weight = self._back_propagate(batches, tally, step, quantize)
        if not quantize:  # zeros so far, which would use up Adam's bias correction
            for parameter in tokenizer.quantizer.parameters():
                parameter.grad = None
        values = tally.values
        values["gradient_norm"] = self.precision.update(
            self.optimizer, self.parameters, self.clip_norm
        )
        if self.adversary is not None:
            name = self.adversary.name
            # An overflow of fp16, whose step the loss scale skips, is no news of the loss.
            shown = torch.where(weight.isfinite(), weight, 0.0)
            values["loss"] = values["loss"] + shown * values[name]
            values[f"weight_{name}"] = shown
            values |= self.adversary.update(tally.pairs, step=step, steps=self.steps)
        return values

    def _back_propagate(
        self, batches: Sequence[MicroBatch], tally: _Tally, step: int, quantize: bool
    ) -> Tensor:
        """Gradients of the whole batch into the parameters; the adversarial term's weight ()."""
        plays = self.adversary is not None and self.adversary.active(step)
        adapts = plays and self._head is not None
        apart = adapts and len(batches) > 1
        weight = self._fixed_weight(plays=plays)
        if self._head is not None:
            self._head.begin(watching=adapts)
        for index, batch in enumerate(batches):
            last = index == len(batches) - 1
            with synchronised_if(self.forward, last and not apart):
                with self.precision.autocast():
                    output, quantized = self.forward(batch.inputs, quantize)
                found = self._at_output(output, batch.target, step)
                if adapts:
                    self._note_head(found, batch.share)
                if adapts and not apart:
                    weight = self._adaptive_weight()
                self._backward(output, quantized, found, weight, batch.share, apart=apart)
            self._note(tally, found, quantized, batch.share, step)
            if plays:
                fake = tokenizer_in(self.forward).images_of(output.detach())
                tally.pairs.append(Pair(batch.target, fake, batch.share))
        if apart:
            weight = self._adaptive_weight()
            self._join(weight)
        return weight

    def _at_output(self, output: Tensor, target: Tensor, step: int) -> OutputGradients:
        tokenizer = tokenizer_in(self.forward)
        return output_gradients(
            self.losses, tokenizer, output, target, step=step, precision=self.precision
        )

    def _backward(
        self,
        output: Tensor,
        quantized: Quantized | None,
        found: OutputGradients,
        weight: Tensor,
        share: float,
        *,
        apart: bool,
    ) -> None:
        """From the decoder's output on; the adversarial gradient into `_apart` where it waits."""
        gradient = found.base
        if found.adversarial is not None and not apart:
            gradient = gradient + weight * found.adversarial
        roots, given = [output], [gradient * share]
        if quantized is not None and quantized.loss.requires_grad:
            loss = self.precision.scaler.scale(quantized.loss * share)
            roots, given = [*roots, loss], [*given, torch.ones_like(loss)]
        torch.autograd.backward(roots, given, retain_graph=apart)
        if found.adversarial is not None and apart:
            new = torch.autograd.grad(
                output,
                self.parameters,
                found.adversarial * share,
                allow_unused=True,
                materialize_grads=True,
            )
            old = self._apart or [torch.zeros_like(p) for p in self.parameters]
            self._apart = [a + b for a, b in zip(old, new, strict=True)]

    def _join(self, weight: Tensor) -> None:
        """Add the adversarial gradients that were kept apart; DDP has seen none of this step."""
        for parameter, gradient in zip(self.parameters, self._apart, strict=True):
            kept = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            parameter.grad = kept + weight * gradient
        self._apart = []
        average_gradients(self.parameters)

    def _note_head(self, found: OutputGradients, share: float) -> None:
        assert self._head is not None
        assert found.reference is not None
        assert found.adversarial is not None
        self._head.add([found.reference, found.adversarial], share=share)

    def _adaptive_weight(self) -> Tensor:
        """The configured weight times the ratio of the whole batch's gradients at the head."""
        assert self.adversary is not None
        assert self._head is not None
        reference, adversarial = self._head.sums()
        term = self.adversary.term
        ratio = adaptive_weight(
            reference, adversarial, eps=term.adaptive_eps, maximum=term.adaptive_max
        )
        return self.losses.weights[self.adversary.name] * ratio

    def _fixed_weight(self, *, plays: bool) -> Tensor:
        weight = self.losses.weights[self.adversary.name] if self.adversary and plays else 0.0
        # torch.tensor() would wait for the device.
        return torch.full((), weight, device=self.precision.device)

    def _note(
        self,
        tally: _Tally,
        found: OutputGradients,
        quantized: Quantized | None,
        share: float,
        step: int,
    ) -> None:
        values = {**found.values, "loss": found.total}
        if quantized is not None:
            values |= {"quantizer": quantized.loss, **quantized.stats}
            values["loss"] = found.total + quantized.loss
            self.health.observe(quantized.codes, step=step)
        tally.add(values, share)
