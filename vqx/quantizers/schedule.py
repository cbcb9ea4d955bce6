"""Parts of a quantizer that move with the number of optimizer steps."""

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from vqx.durations import Duration, steps_in
from vqx.errors import ConfigError

Shape = Literal["linear", "cosine", "quarter_cosine"]


class StepState(nn.Module):
    """A part of a quantizer that is told of every optimizer step, and how long an epoch is.

    `Quantizer.update_codebook` calls `next_step` of its direct children of this class.
    """

    def next_step(self) -> None:
        """An optimizer step has ended."""

    def set_epoch_length(self, steps: float, *, run: int | None = None) -> None:
        """An epoch has `steps` optimizer steps, the run `run`: parts of them are now known."""


class Scheduled(StepState):
    """A number that goes from `start` to `end` in the first `over` optimizer steps and stays there.

    over: steps, or text like "15 epochs" or "75%" of the run; None: `end` from the first step on.
    shape: "linear", "cosine" (half a period: level at both ends), or "quarter_cosine" (level at the
    start). `value` is a () float32 tensor on the module's device, so that reading
    it neither waits for the device nor compiles anything anew. The step is in the checkpoint.
    """

    value: Tensor
    steps: Tensor

    def __init__(
        self,
        start: float,
        end: float,
        *,
        over: Duration | None,
        shape: Shape = "linear",
        name: str = "schedule",
    ) -> None:
        super().__init__()
        if shape not in get_args(Shape):
            raise ConfigError(f"{name} shape {shape!r}: use one of {', '.join(get_args(Shape))}")
        if over is not None:
            steps_in(over, name=name, steps_per_epoch=1.0, run=1)
        self.start, self.end, self.over, self.shape, self.name = start, end, over, shape, name
        self._length = over if isinstance(over, int) else 0
        self._step = 0
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("value", torch.tensor(self._at(0)), persistent=False)
        self.register_load_state_dict_post_hook(_read_steps)

    @classmethod
    def constant(cls, value: float) -> "Scheduled":
        """A number that stays."""
        return cls(value, value, over=None)

    def forward(self) -> Tensor:
        """The present value () float32."""
        if isinstance(self.over, str) and not self._length:
            steps_in(self.over, name=self.name, steps_per_epoch=None)
        return self.value.clone()  # a backward pass may come after the next step

    def next_step(self) -> None:
        """One step further."""
        self.steps += 1
        self._move_to(self._step + 1)

    def set_epoch_length(self, steps: float, *, run: int | None = None) -> None:
        """An epoch has `steps` optimizer steps, the run `run`."""
        if self.over is not None:
            self._length = steps_in(self.over, name=self.name, steps_per_epoch=steps, run=run)
            self._move_to(self._step)

    def extra_repr(self) -> str:
        """Where from, where to."""
        return f"{self.start} -> {self.end} over {self.over}, {self.shape}"

    def _move_to(self, step: int) -> None:
        self._step = step
        self.value.fill_(self._at(step))

    def _at(self, step: int) -> float:
        if self.over is None or (self._length and step >= self._length):
            return float(self.end)
        part = step / self._length if self._length else 0.0
        if self.shape == "cosine":
            part = (1 - math.cos(math.pi * part)) / 2
        elif self.shape == "quarter_cosine":
            part = 1 - math.cos(math.pi * part / 2)
        return self.start + (self.end - self.start) * part


def _read_steps(schedule: Scheduled, _: object) -> None:
    schedule._move_to(int(schedule.steps))
