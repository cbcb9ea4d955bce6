"""Restart of dead codes.

Axes: N tokens of a step on all ranks, K codes, D latent width.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from vqx.durations import Duration, steps_in
from vqx.errors import ConfigError
from vqx.quantizers.sampling import draw_rows, from_rank_zero, with_noise
from vqx.quantizers.schedule import StepState

Policy = Literal["batch_vectors", "usage_copies", "cvq", "none"]

# CVQ: running mean of usage, and how fast a code stays put as its usage grows.
CVQ_DECAY = 0.99
CVQ_STEEPNESS = 10.0
CVQ_LEAST = 1e-4


@dataclass(frozen=True, slots=True)
class Moves:
    """Where a restart wants codes: entry <- (1 - share) entry + share vector.

    codes (n,) int64, vectors (n, D), share () or (n,) in (0, 1].
    """

    codes: Tensor
    vectors: Tensor
    share: Tensor


class Restart(StepState):
    """Brings codes that are hardly used back to where latents are.

    Usage is counted, over all ranks, in a window of steps. The window closes at a multiple of
    `interval` (steps, or text like "2 epochs"), once `threshold` times the mean count is at least
    one sighting (so a code is never condemned for a window too short to have shown it); codes seen
    less than `threshold` times the mean count are then dead.

    "batch_vectors": each dead code becomes another random latent of this step's global batch
    (Lancucki et al. 2020, arXiv 2005.08520; Dhariwal et al. 2020, arXiv 2005.00341).
    "usage_copies": each becomes a copy of a living code, drawn by usage, with a little noise: of
    two equal codes the second would never be nearest.
    "cvq": every code moves toward a random latent, by a share that is near 1 for a code without use
    and vanishes with its running usage p: exp(-10 K p / (1 - 0.99) - 0.001) (Zheng and Vedaldi
    2023, arXiv 2307.15139, equations 4 to 6, random anchors; there at every step, `interval` 1).
    Shares under CVQ_LEAST are 0. It has no use for `threshold`.
    "none" counts and restarts nothing.

    A dead code held at most `threshold` / K of the tokens, so moving it costs the reconstruction
    next to nothing; at a threshold near 1 codes that are rare for good reason would be torn away
    from what they stand for at every interval. Long intervals come too late: the commitment term
    draws all latents to the first few codes within a hundred steps. Usage and step are in the
    checkpoint.
    """

    usage: Tensor
    steps: Tensor
    running: Tensor

    def __init__(
        self, policy: Policy = "batch_vectors", *, interval: Duration = 10, threshold: float = 0.1
    ) -> None:
        super().__init__()
        if policy not in get_args(Policy):
            raise ConfigError(
                f"restart policy {policy!r}: use one of {', '.join(get_args(Policy))}"
            )
        steps_in(interval, name="restart.interval", steps_per_epoch=1.0, run=1)
        if not 0 < threshold < 1:
            raise ConfigError(f"restart.threshold {threshold}: use a fraction between 0 and 1")
        self.policy = policy
        self.interval = interval
        self.threshold = threshold
        self.register_buffer("usage", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        if policy == "cvq":
            self.register_buffer("running", torch.zeros(0))
        self._interval = interval if isinstance(interval, int) else 0
        # The step number again, where reading it needs no host synchronisation.
        self._step = 0
        self._candidates: list[Tensor] = []
        self.register_load_state_dict_post_hook(_read_step)

    @property
    def active(self) -> bool:
        """Whether it ever moves a code."""
        return self.policy != "none"

    def attach(self, codebook_size: int) -> None:
        """Make room for the usage of K codes; a restart serves one codebook."""
        if len(self.usage):
            raise ConfigError("a Restart serves one quantizer: give each its own")
        self.usage = torch.zeros(codebook_size, dtype=torch.int64)
        if self.policy == "cvq":
            self.running = torch.zeros(codebook_size)
        self.reset()

    def reset(self) -> None:
        """Forget all counts and steps, as after construction; call it after changing a setting."""
        self.usage.zero_()
        self.steps.zero_()
        if self.policy == "cvq":
            self.running.zero_()
        self._interval = self.interval if isinstance(self.interval, int) else self._interval
        self._set_step(0)

    def set_epoch_length(self, steps: float, *, run: int | None = None) -> None:
        """An epoch has `steps` optimizer steps, the run `run`."""
        name = "restart.interval"
        self._interval = steps_in(self.interval, name=name, steps_per_epoch=steps, run=run)
        self._set_step(self._step)

    def observe(self, rows: Tensor) -> None:
        """Keep the latents (n, D) of a micro-batch of a step that is `collecting`."""
        if self.collecting:
            self._candidates.append(rows.detach())

    def step(
        self,
        counts: Tensor,
        entries: Callable[[], Tensor],
        *,
        generator: torch.Generator | None = None,
    ) -> Moves | None:
        """End a step of global `counts` (K,) of codes at `entries()` (K, D): moves, if due.

        A due step that has seen no token leaves the window open.
        """
        if not self.active:
            return None
        if not self._interval:
            steps_in(self.interval, name="restart.interval", steps_per_epoch=None)
        candidates, due = self._candidates, self._due
        self.usage += counts
        self.steps += 1
        if self.policy == "cvq":
            share = counts / counts.sum().clamp(min=1)
            self.running.lerp_(share.to(self.running), 1 - CVQ_DECAY)
        self._set_step(self._step + 1)
        if not due or not int(counts.sum()):
            return None
        if self.policy == "cvq":
            return self._toward_anchors(candidates, generator)
        return self._close_window(candidates, entries, generator)

    def _close_window(
        self,
        candidates: list[Tensor],
        entries: Callable[[], Tensor],
        generator: torch.Generator | None,
    ) -> Moves | None:
        fewest = self.threshold * self.usage.sum() / len(self.usage)
        if fewest < 1:
            return None
        dead = (self.usage < fewest).nonzero()[:, 0]
        usage = self.usage.clone()
        self.usage.zero_()
        if not len(dead):
            return None
        if self.policy == "batch_vectors":
            vectors = draw_rows(torch.cat(candidates), len(dead), generator=generator)
        else:
            vectors = _copies(entries(), usage, dead, generator)
        return Moves(dead, vectors, torch.ones((), device=vectors.device))

    def _toward_anchors(
        self, candidates: list[Tensor], generator: torch.Generator | None
    ) -> Moves | None:
        self.usage.zero_()
        size = len(self.running)
        share = torch.exp(-CVQ_STEEPNESS * size * self.running / (1 - CVQ_DECAY) - 1e-3)
        codes = (share > CVQ_LEAST).nonzero()[:, 0]  # the rest stay as they are, to the bit
        if not len(codes):
            return None
        vectors = draw_rows(torch.cat(candidates), len(codes), generator=generator)
        return Moves(codes, vectors, share[codes])

    def _set_step(self, step: int) -> None:
        self._step = step
        self._due = self.active and self._interval > 0 and (step + 1) % self._interval == 0
        self.collecting = self._due and self.policy != "usage_copies"
        self._candidates = []


def _copies(
    entries: Tensor, usage: Tensor, dead: Tensor, generator: torch.Generator | None
) -> Tensor:
    """Living codes drawn by `usage` (K,), one for each of `dead` (n,), with noise; (n, D).

    Rank 0 draws for all.
    """
    share = usage.double()
    share[dead] = 0
    device = generator.device if generator is not None else share.device
    drawn = torch.multinomial(share.to(device), len(dead), replacement=True, generator=generator)
    return with_noise(entries[from_rank_zero(drawn, entries.device)], generator)


def _read_step(restart: Restart, _: object) -> None:
    restart._set_step(int(restart.steps))
