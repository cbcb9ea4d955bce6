"""The discriminator's side of adversarial training: its optimizer, loss scale and update.

Axes: B images, C channels, H W pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vqx.collectives import sum_over_ranks, world_size
from vqx.losses import Adversarial, WeightedSum
from vqx.training.gradients import average_gradients
from vqx.training.precision import Precision
from vqx.training.schedule import learning_rate
from vqx.training.settings import TrainerSettings


@dataclass(frozen=True, slots=True)
class Pair:
    """Images (B, C, H, W) of a micro-batch, their reconstructions, and its share of the loss."""

    real: Tensor
    fake: Tensor
    share: float


class Adversary:
    """Trains the discriminator of `losses`, from the step at which its term starts to count.

    It has a loss scale of its own: an overflow of one player must not stop the other. Its rate
    goes through warm-up and decay like the generator's, counted from its first step on.
    """

    def __init__(
        self,
        name: str,
        term: Adversarial,
        *,
        start: int,
        settings: TrainerSettings,
        device: torch.device,
    ) -> None:
        self.name, self.term, self.start = name, term, start
        self.parameters = list(term.discriminator.parameters())
        self.precision = Precision(settings.precision, device)
        self._settings = settings
        own = (term.learning_rate, term.minimum_learning_rate, term.weight_decay)
        shared = (
            settings.learning_rate,
            settings.minimum_learning_rate,
            settings.weight_decay,
        )
        self._peak, self._minimum, decay = (
            theirs if mine is None else mine for mine, theirs in zip(own, shared, strict=True)
        )
        matrices = [p for p in self.parameters if p.ndim > 1]
        others = [p for p in self.parameters if p.ndim <= 1]
        groups = [
            {"params": matrices, "weight_decay": decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]],
            lr=self._peak,
            betas=settings.betas if term.betas is None else term.betas,
            amsgrad=bool(settings.amsgrad),
            fused=True,
        )
        self._penalty = torch.zeros((), device=device)  # the last R1, shown until the next one

    @classmethod
    def of(
        cls, losses: WeightedSum, *, settings: TrainerSettings, device: torch.device
    ) -> "Adversary | None":
        """That of `losses`, None without an adversarial term."""
        if losses.adversarial is None:
            return None
        name, term = losses.adversarial
        start = losses.start_steps[name]
        return cls(name, term, start=start, settings=settings, device=device)

    def active(self, step: int) -> bool:
        """Whether the discriminator is trained at optimizer step `step`, or still untouched."""
        return step >= self.start

    def update(self, pairs: Sequence[Pair], *, step: int, steps: int) -> dict[str, Tensor]:
        """Move the discriminator once by the whole batch; this rank's share of each mean value.

        `steps`: length of the run. Before its first step all values are 0.
        """
        if not self.active(step):
            zero = torch.zeros_like(self._penalty)
            return dict.fromkeys(_VALUES, zero)
        self._set_rate(step - self.start, steps - self.start)
        self.optimizer.zero_grad(set_to_none=True)
        totals = dict.fromkeys(_VALUES, torch.zeros_like(self._penalty))
        due = self.term.r1_due(step - self.start)
        penalty = torch.zeros_like(self._penalty)
        with self.term.training_discriminator():
            for pair in pairs:
                with self.precision.autocast():
                    loss, stats = self.term.discriminator_loss(pair.real, pair.fake)
                self.precision.backward(loss * pair.share)
                for key, value in {**stats, "discriminator": loss}.items():
                    totals[key] = totals[key] + value.detach().float() * pair.share
                if due:
                    value = self.term.r1_penalty(pair.real) * pair.share
                    self.precision.backward(value * self.term.r1_interval)
                    penalty = penalty + value.detach()
        self._penalty = penalty if due else self._penalty
        average_gradients(self.parameters)
        norm = self.precision.update(self.optimizer, self.parameters, self.term.clip_norm)
        self.term.update_averages()
        return {**totals, "r1": self._penalty, "discriminator_gradient_norm": norm}

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values; the discriminator itself is part of the losses' state.

        Of all ranks, so that any number of them can go on from it: all ranks must call this.
        """
        return {
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.precision.scaler.state_dict(),
            "penalty": (sum_over_ranks(self._penalty) / world_size()).cpu(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`'s result."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.precision.scaler.load_state_dict(state["scaler"])
        self._penalty = state["penalty"].to(self._penalty.device)

    def _set_rate(self, step: int, steps: int) -> None:
        rate = learning_rate(
            step,
            steps=steps,
            warmup_steps=self._settings.warmup_steps,
            peak=self._peak,
            minimum=min(self._minimum, self._peak),
            decay=self._settings.decay,
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate


# What is logged of it, under the same names in every step.
_VALUES = (
    "discriminator",
    "logits_real",
    "logits_fake",
    "lecam",
    "r1",
    "discriminator_gradient_norm",
)
