"""Where a run stands for one who watches: its folder's state, and what Slurm knows beside it."""

from enum import StrEnum

from vqx.runs.reading import Run
from vqx.runs.status import State
from vqx.sweeps.slurm import SlurmJob


class Stage(StrEnum):
    """The stages of a run, those to look at first before the others."""

    RUNNING = "running"
    STARTING = "starting"  # Slurm has started its job, the folder says nothing yet
    REQUEUED = "requeued"  # interrupted, and its job waits in Slurm to go on
    QUEUED = "queued"
    FAILED = "failed"
    LOST = "lost"  # queued, and neither a job of Slurm nor a living sweep will run it
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    REFUSED = "refused"  # of a sweep: its configuration cannot be run
    DIVERGED = "diverged"
    COLLAPSED = "collapsed"
    MISSING = "missing"  # of a sweep: never started
    DONE = "done"


GOES_ON = frozenset({Stage.RUNNING, Stage.STARTING, Stage.REQUEUED, Stage.QUEUED})
RESULTS = frozenset({Stage.DONE, Stage.COLLAPSED, Stage.DIVERGED})  # kept, not run again


def stage_of(run: Run, job: SlurmJob | None, *, asked: bool) -> tuple[Stage, str]:
    """The stage of a run that has a folder, and what is to be said about it.

    `asked`: Slurm answered for this run's job; `job` None then means that it knows of none.
    """
    stage = Stage(run.state.value)
    if run.status is None and run.state == State.QUEUED:
        return Stage.MISSING, ""
    if not asked or stage in RESULTS or stage == Stage.FAILED:
        return stage, run.note
    if job is None:
        return _without_job(stage, run.note)
    return _with_job(stage, run.note, job)


def _without_job(stage: Stage, note: str) -> tuple[Stage, str]:
    if stage == Stage.QUEUED:
        return Stage.LOST, "Slurm knows no such job: start the sweep again"
    if stage == Stage.RUNNING:
        return stage, _joined("Slurm knows no such job", note)
    return stage, note


def _with_job(stage: Stage, note: str, job: SlurmJob) -> tuple[Stage, str]:
    said = f"Slurm: {job.state}{f' ({job.reason})' if job.reason not in ('', 'None') else ''}"
    base = job.state.split()[0].rstrip("+") if job.state else ""
    if stage == Stage.RUNNING:
        return stage, note if base == "RUNNING" else _joined(said, note)
    if not job.is_live:
        if stage == Stage.QUEUED:
            ended = Stage.CANCELLED if base == "CANCELLED" else Stage.LOST
            return ended, f"{said}: start the sweep again"
        return stage, _joined(note, said)
    if base in ("RUNNING", "CONFIGURING", "COMPLETING"):
        return (stage if base == "COMPLETING" else Stage.STARTING), said
    return (Stage.QUEUED if stage == Stage.QUEUED else Stage.REQUEUED), said


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
