"""A quantizer whose steps take time, or fail, and which changes no number: to disturb runs with."""

import os
import time

import torch

from vqx.collectives import rank
from vqx.quantizers import EMA

PAUSE = "VQX_TEST_PAUSE"  # seconds that an optimizer step sleeps
_AWAKE = 10  # steps after each start that do not: as many as a run's checks of its quantizer take


class DisturbedEMA(EMA):
    """EMA that sleeps in its later steps as the environment says, and can fail on one rank.

    `fail_at` counts calls of update_codebook on this object; `fail_rank` is the rank that fails.
    """

    def __init__(
        self, *arguments: object, fail_at: int | None = None, fail_rank: int = 0, **knobs: object
    ) -> None:
        super().__init__(*arguments, **knobs)
        self.fail_at, self.fail_rank = fail_at, fail_rank
        self._calls = 0

    def update_codebook(self, *, generator: torch.Generator | None = None) -> None:
        """As EMA does, late or never."""
        if self._calls >= _AWAKE:
            time.sleep(float(os.environ.get(PAUSE, "0")))
        super().update_codebook(generator=generator)
        self._calls += 1
        if self.fail_at is not None and self._calls >= self.fail_at and rank() == self.fail_rank:
            raise RuntimeError(f"a fault planted on rank {self.fail_rank}")
