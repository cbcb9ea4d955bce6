"""Values of the steps since the last log line, summed on the device.

Nothing here waits for the device until `means` or `first_bad_step` is called at a log step.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from vqx.collectives import sum_over_ranks, world_size

_NEVER = 2**62


class LossWindow:
    """Running sums of named scalars, and the first step whose loss was not finite."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._names: list[str] = []
        self._sums = torch.zeros(0, device=device)
        self._steps = 0
        self._first_bad = torch.full((), _NEVER, dtype=torch.int64, device=device)

    def add(
        self, values: dict[str, Tensor], *, step: int, watched: Sequence[str] = ("loss",)
    ) -> None:
        """Add one step's values (each ()); the `watched` ones may not be NaN or infinite."""
        stacked = torch.stack([value.to(self._device).float() for value in values.values()])
        if self._names != list(values):
            self._names, self._sums = list(values), torch.zeros_like(stacked)
            self._steps = 0
        self._sums = self._sums + stacked
        self._steps += 1
        finite = torch.isfinite(torch.stack([values[name] for name in watched])).all()
        bad = torch.where(finite, _NEVER, step).to(self._first_bad)
        self._first_bad = torch.minimum(self._first_bad, bad)

    def first_bad_step(self) -> int | None:
        """The first step with a non-finite loss on this rank, or None. Waits for the device."""
        step = int(self._first_bad)
        return None if step == _NEVER else step

    def means(self) -> dict[str, float]:
        """Mean over steps and ranks of each value, then start anew. Waits for the device."""
        if not self._steps:
            return {}
        sums = (sum_over_ranks(self._sums) / (self._steps * world_size())).tolist()
        means = dict(zip(self._names, sums, strict=True))
        self._sums, self._steps = torch.zeros_like(self._sums), 0
        return means

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs so that the next log line is the one of an unbroken run.

        A mean over ranks, which every rank can go on from: all ranks must call this.
        """
        sums = sum_over_ranks(self._sums) / world_size()
        return {"names": self._names, "sums": sums.cpu(), "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`'s result."""
        self._names, self._steps = list(state["names"]), state["steps"]
        self._sums = state["sums"].to(self._device)
