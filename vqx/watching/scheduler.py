"""Slurm asked now and then, and not at all where there is none."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vqx.errors import SlurmUnreachable
from vqx.sweeps.slurm import SlurmJob, slurm_jobs

_EVERY_SECONDS = 10.0  # one squeue for the whole table, however often that is redrawn
_RETRY_SECONDS = 60.0  # after no answer


@dataclass(slots=True)
class Scheduler:
    """What Slurm said last about the jobs of a table; `fault` is why it says nothing, or ""."""

    fault: str = ""
    _next: float = 0.0
    _ids: frozenset[str] = frozenset()
    _jobs: Mapping[str, SlurmJob] | None = field(default=None)

    def jobs(self, ids: set[str], *, now: float) -> Mapping[str, SlurmJob] | None:
        """Slurm's view of `ids`, at most some seconds old; None where Slurm does not answer."""
        if not ids:
            return {}
        new = not ids <= self._ids and self._jobs is not None
        if new or now >= self._next:
            self._ask(ids, now)
        return self._jobs

    def _ask(self, ids: set[str], now: float) -> None:
        try:
            self._jobs, self.fault = slurm_jobs(sorted(ids)), ""
            self._next = now + _EVERY_SECONDS
        except SlurmUnreachable as error:
            self._jobs, self.fault = None, str(error)
            self._next = now + _RETRY_SECONDS
        self._ids = frozenset(ids)
