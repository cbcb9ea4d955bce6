"""The weighted sum of named loss terms.

Axes: B images, C channels, H W pixels; float [-1, 1].
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vqx.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Weighted:
    """A loss term, the factor it enters the sum with, and the step it starts to count at.

    `term` maps a reconstruction and images to a () tensor. With weight 0, or before `start_step`,
    it is still computed and logged, without gradient.
    """

    term: nn.Module
    weight: float
    start_step: int = 0


class WeightedSum(nn.Module):
    """Sum of the weighted terms, in float32 whatever autocast says."""

    def __init__(self, terms: Mapping[str, Weighted]) -> None:
        """Raises ConfigError for a negative weight, or when no term has a positive one."""
        super().__init__()
        for name, weighted in terms.items():
            if not isinstance(weighted.weight, int | float) or not weighted.weight >= 0:
                raise ConfigError(f"loss term {name}: weight {weighted.weight} is not 0 or more")
        if not any(term.weight > 0 and term.start_step == 0 for term in terms.values()):
            raise ConfigError(
                "no loss term has a positive weight from step 0 on: set one, e.g. l2's to 1"
            )
        self.terms = nn.ModuleDict({name: weighted.term for name, weighted in terms.items()})
        self.weights = {name: float(weighted.weight) for name, weighted in terms.items()}
        self.start_steps = {name: weighted.start_step for name, weighted in terms.items()}

    def forward(
        self, reconstruction: Tensor, images: Tensor, *, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The total () float32 at optimizer step `step`, and each term's unweighted value.

        Values are detached and stay on the device.
        """
        values = {}
        with torch.autocast(reconstruction.device.type, enabled=False):
            reconstruction, images = reconstruction.float(), images.float()
            total = reconstruction.new_zeros(())
            for name, term in self.terms.items():
                counts = self.weights[name] > 0 and step >= self.start_steps[name]
                with torch.set_grad_enabled(counts and torch.is_grad_enabled()):
                    value = term(reconstruction, images).float()
                if counts:
                    total = total + self.weights[name] * value
                values[name] = value.detach()
        return total, values
