"""The weighted sum of named loss terms.

Axes: B images, C channels, H W pixels; float [-1, 1]; L levels of a pixel.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vqx.durations import Duration, steps_in
from vqx.errors import ConfigError
from vqx.losses.adversarial import Adversarial
from vqx.losses.reconstruction import NormalizedL2


@dataclass(frozen=True, slots=True)
class Weighted:
    """A loss term, the factor it enters the sum with, and when it starts to count.

    `term` maps a reconstruction and images to a () tensor. With weight 0, or before `start_step`
    (optimizer steps, "1 epoch", "10%" of the run), it is still computed and logged, without
    gradient; an adversarial term is not, since its discriminator has learnt nothing yet.
    """

    term: nn.Module
    weight: float
    start_step: Duration = 0


class WeightedSum(nn.Module):
    """Sum of the weighted terms, in float32 whatever autocast says.

    At most one term is adversarial, at most one is of logits (a distribution over the levels of
    each pixel, which the decoder then gives).
    """

    def __init__(self, terms: Mapping[str, Weighted]) -> None:
        """Raises ConfigError for a wrong weight or start, or when no term counts from step 0 on."""
        super().__init__()
        for name, weighted in terms.items():
            if not isinstance(weighted.weight, int | float) or not weighted.weight >= 0:
                raise ConfigError(f"loss term {name}: weight {weighted.weight} is not 0 or more")
            if weighted.start_step != 0:
                self._steps_until(name, weighted.start_step, epoch=1.0, run=1)
        if not any(
            t.weight > 0 and t.start_step == 0 and not isinstance(t.term, Adversarial)
            for t in terms.values()
        ):
            raise ConfigError(
                "no loss term has a positive weight from step 0 on (an adversarial one is not "
                "enough): set one, e.g. l2's to 1"
            )
        self.terms = nn.ModuleDict({name: weighted.term for name, weighted in terms.items()})
        self.weights = {name: float(weighted.weight) for name, weighted in terms.items()}
        self._starts = {name: weighted.start_step for name, weighted in terms.items()}
        self.start_steps = {n: s for n, s in self._starts.items() if isinstance(s, int)}
        for kind, names in (
            ("adversarial", self._named(Adversarial)),
            ("of logits", [n for n, t in self.terms.items() if getattr(t, "of_logits", False)]),
        ):
            if len(names) > 1:
                raise ConfigError(f"loss terms {', '.join(names)} are all {kind}: only one can be")

    @property
    def adversarial(self) -> tuple[str, Adversarial] | None:
        """Name and term of the adversarial loss that counts at some step, None without one."""
        for name in self._named(Adversarial):
            if self.weights[name] > 0:
                term = self.terms[name]
                assert isinstance(term, Adversarial)
                return name, term
        return None

    @property
    def pixel_levels(self) -> int | None:
        """L when a term wants logits (B, C L, H, W) of the decoder, else None: it gives images."""
        of_logits = [t for t in self.terms.values() if getattr(t, "of_logits", False)]
        return int(of_logits[0].levels) if of_logits else None  # type: ignore[arg-type]

    @property
    def needs_variance(self) -> bool:
        """Whether `set_variance` must be called before the first step."""
        return any(t.needs_variance for t in self._normalized())

    def set_variance(self, variance: float) -> None:
        """Tell the terms that need it the variance of the data over all values in [-1, 1]."""
        for term in self._normalized():
            if term.needs_variance:
                term.set_variance(variance)

    def set_epoch_length(self, steps: float, *, run: int) -> None:
        """An epoch has `steps` optimizer steps, the run `run`: starts given in them are known."""
        for name, start in self._starts.items():
            if start != 0:
                self.start_steps[name] = self._steps_until(name, start, epoch=steps, run=run)

    def attach(self, *, image_channels: int, image_size: int) -> None:
        """Build the discriminator for images of this kind."""
        for name in self._named(Adversarial):
            term = self.terms[name]
            assert isinstance(term, Adversarial)
            term.attach(image_channels=image_channels, image_size=image_size)

    def counts(self, name: str, *, step: int) -> bool:
        """Whether term `name` has a part in the sum at optimizer step `step`."""
        if name not in self.start_steps:
            self._steps_until(name, self._starts[name], epoch=None, run=None)
        return self.weights[name] > 0 and step >= self.start_steps[name]

    def values(
        self,
        reconstruction: Tensor,
        images: Tensor,
        *,
        step: int,
        logits: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Each term's unweighted value () float32, with gradient where it counts at `step`.

        logits (B, C L, H, W): what `reconstruction` is the mean of, for a term that wants them.
        """
        values = {}
        for name, term in self.terms.items():
            counts = self.counts(name, step=step)
            if isinstance(term, Adversarial) and not counts:
                values[name] = reconstruction.new_zeros((), dtype=torch.float32)
                continue
            own = logits if getattr(term, "of_logits", False) else reconstruction
            if own is None:
                raise ConfigError(f"loss term {name} needs the decoder's logits")
            with torch.set_grad_enabled(counts and torch.is_grad_enabled()):
                values[name] = self._value(term, own, images)
        return values

    def total(self, values: Mapping[str, Tensor], *, step: int) -> Tensor:
        """The weighted sum () float32 of those `values` that count at `step`."""
        counted = [self.weights[n] * v for n, v in values.items() if self.counts(n, step=step)]
        zero = next(iter(values.values())).new_zeros(())
        return sum(counted, zero)

    def describe(self) -> str:
        """The sum in words: `1 l2 + 0.1 lpips + 0.8 x adaptive adversarial from step 1,000`."""
        parts = []
        for name, weight in self.weights.items():
            if weight > 0:
                adaptive = getattr(self.terms[name], "adaptive", None)
                factor = f"{weight:g} x {adaptive}-adaptive" if adaptive else f"{weight:g}"
                start = self.start_steps.get(name, self._starts[name])
                shown = f"step {start:,}" if isinstance(start, int) else start
                parts.append(f"{factor} {name}" + (f" from {shown}" if start else ""))
        return " + ".join(parts)

    def forward(
        self,
        reconstruction: Tensor,
        images: Tensor,
        *,
        step: int,
        logits: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The total () float32 at optimizer step `step`, and each term's unweighted value.

        Values are detached and stay on the device. An adaptive weight is not applied here: it needs
        gradients of the decoder, so it is the trainer's.
        """
        values = self.values(reconstruction, images, step=step, logits=logits)
        return self.total(values, step=step), {n: v.detach() for n, v in values.items()}

    @staticmethod
    def _value(term: nn.Module, reconstruction: Tensor, images: Tensor) -> Tensor:
        if isinstance(term, Adversarial):  # its network is trained, in the precision of training
            return term(reconstruction, images).float()
        with torch.autocast(reconstruction.device.type, enabled=False):
            return term(reconstruction.float(), images.float()).float()

    @staticmethod
    def _steps_until(name: str, start: Duration, *, epoch: float | None, run: int | None) -> int:
        what = f"loss term {name}: start_step"
        return steps_in(start, name=what, steps_per_epoch=epoch, run=run)

    def _named(self, kind: type[nn.Module]) -> list[str]:
        return [name for name, term in self.terms.items() if isinstance(term, kind)]

    def _normalized(self) -> list[NormalizedL2]:
        return [term for term in self.terms.values() if isinstance(term, NormalizedL2)]
