"""Restart of dead codes.

Axes: N tokens of a step on all ranks, K codes, D latent width.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from vqx.errors import ConfigError
from vqx.quantizers.sampling import draw_rows

Policy = Literal["batch_vectors", "none"]


class Restart(nn.Module):
    """Moves codes that are hardly used onto random latents of the current global batch.

    Usage is counted, over all ranks, in a window of steps. The window closes at a multiple of
    `interval` steps, once `threshold` times the mean count is at least one sighting (so a code is
    never condemned for a window too short to have shown it); codes seen less than `threshold` times
    the mean count are then dead: each becomes another random vector of this step's latents.

    A dead code held at most `threshold` / K of the tokens, so moving it costs the reconstruction
    next to nothing; at a threshold near 1 codes that are rare for good reason would be torn away
    from what they stand for at every interval. Long intervals come too late: the commitment term
    draws all latents to the first few codes within a hundred steps.

    policy "none" counts and restarts nothing. Usage and step count are in the checkpoint.
    """

    usage: Tensor
    steps: Tensor

    def __init__(
        self, policy: Policy = "batch_vectors", *, interval: int = 10, threshold: float = 0.1
    ) -> None:
        super().__init__()
        if policy not in get_args(Policy):
            raise ConfigError(
                f"restart.policy {policy!r}: use one of {', '.join(get_args(Policy))}"
            )
        if interval < 1:
            raise ConfigError(f"restart.interval {interval}: use at least 1 step")
        if not 0 < threshold < 1:
            raise ConfigError(f"restart.threshold {threshold}: use a fraction between 0 and 1")
        self.policy = policy
        self.interval = interval
        self.threshold = threshold
        self.register_buffer("usage", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        # The step number again, where reading it needs no host synchronisation.
        self._step = 0
        self._candidates: list[Tensor] = []
        self.register_load_state_dict_post_hook(_read_step)

    def attach(self, codebook_size: int) -> None:
        """Make room for the usage of K codes; a restart serves one codebook."""
        if len(self.usage):
            raise ConfigError("a Restart serves one quantizer: give each its own")
        self.usage = torch.zeros(codebook_size, dtype=torch.int64)
        self.reset()

    def reset(self) -> None:
        """Forget all counts and steps, as after construction; call it after changing a setting."""
        self.usage.zero_()
        self.steps.zero_()
        self._set_step(0)

    @torch.compiler.disable  # the list grows: a compiled forward would be compiled anew each time
    def observe(self, rows: Tensor) -> None:
        """Keep the latents (n, D) of a micro-batch of a step that is `collecting`."""
        if self.collecting:
            self._candidates.append(rows.detach())

    def step(
        self, counts: Tensor, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor] | None:
        """End a step of global `counts` (K,): dead codes (n,) and new vectors (n, D), if due."""
        if self.policy == "none":
            return None
        candidates, due = self._candidates, self.collecting
        self.usage += counts
        self.steps += 1
        self._set_step(self._step + 1)
        return self._close_window(candidates, generator) if due else None

    def _close_window(
        self, candidates: list[Tensor], generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor] | None:
        fewest = self.threshold * self.usage.sum() / len(self.usage)
        if fewest < 1:
            return None
        dead = (self.usage < fewest).nonzero()[:, 0]
        self.usage.zero_()
        if not len(dead):
            return None
        return dead, draw_rows(torch.cat(candidates), len(dead), generator=generator)

    def _set_step(self, step: int) -> None:
        self._step = step
        # A flag rather than a comparison in `observe`: a compiled forward is specialised on it, and
        # would be compiled anew for every value of a counter.
        self.collecting = self.policy != "none" and (step + 1) % self.interval == 0
        self._candidates = []


def _read_step(restart: Restart, _: object) -> None:
    restart._set_step(int(restart.steps))
