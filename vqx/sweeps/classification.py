"""What a run's folder, its lock and Slurm say about it, as what a sweep is to do with it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vqx.errors import SlurmUnreachable, VqxError
from vqx.runs.folder import RunFolder
from vqx.runs.lock import is_held
from vqx.runs.reading import Run, read_run
from vqx.runs.status import State
from vqx.sweeps.locking import is_queue_alive
from vqx.sweeps.planned import Action
from vqx.sweeps.slurm import SlurmJob, slurm_jobs
from vqx.sweeps.submission import Submission, read_submission

_ACTIONS = {
    State.QUEUED: Action.RUN,
    State.INTERRUPTED: Action.RUN,
    State.DONE: Action.DONE,
    State.COLLAPSED: Action.COLLAPSED,
    State.DIVERGED: Action.DIVERGED,
    State.RUNNING: Action.RUNNING,
    State.FAILED: Action.FAILED,
}
_OPEN = (State.QUEUED, State.INTERRUPTED, State.FAILED)


@dataclass(frozen=True, slots=True)
class Slurm:
    """What Slurm said when it was asked once about all runs that were ever submitted to it.

    `silence` says why it could not be asked, and is empty when it answered.
    """

    jobs: dict[str, SlurmJob] = field(default_factory=dict)
    silence: str = ""

    @classmethod
    def of(cls, folders: Iterable[RunFolder]) -> "Slurm":
        """Ask about those of `folders` that may still wait or run; nothing to ask asks nothing."""
        submissions = [_submission(folder) for folder in folders if not folder.is_done]
        ids = [s.job_id for s in submissions if s is not None and s.launcher == "slurm"]
        try:
            return cls(slurm_jobs(ids) if ids else {})
        except SlurmUnreachable as error:
            return cls(silence=str(error))


def classify(folder: RunFolder, config: Mapping[str, Any], slurm: Slurm) -> tuple[Action, str]:
    """What to do about the run of `config` in `folder`, and why in a few words.

    A run is left alone while its job lives in Slurm, or may: where Slurm cannot be asked, a run
    that was submitted to it counts as waiting.
    """
    if not folder.path.exists():
        return Action.RUN, ""
    run = read_run(folder.path, config=dict(config))
    assert isinstance(run, Run)
    elsewhere = _elsewhere(run, slurm) if run.state in _OPEN else None
    if elsewhere is not None:
        return elsewhere
    return _ACTIONS[run.state], run.note if run.status else ""


def _elsewhere(run: Run, slurm: Slurm) -> tuple[Action, str] | None:
    """Whether a run that looks idle is another process's or job's to go on with."""
    if _is_held(run.folder):
        return Action.RUNNING, "starting"
    if in_slurm := _in_slurm(run, slurm):
        return in_slurm
    status = run.status
    if run.state is not State.QUEUED or status is None:
        return None
    alive = is_queue_alive(run.folder.path.parent, status.host, status.pid)
    return (Action.WAITING, f"in the sweep of pid {status.pid} on {status.host}") if alive else None


def _is_held(folder: RunFolder) -> bool:
    try:
        return is_held(folder.path)
    except (OSError, VqxError):
        return False  # no locks here


def _in_slurm(run: Run, slurm: Slurm) -> tuple[Action, str] | None:
    """Whether a job of Slurm is to run it; None when that is over, or never was."""
    submission = _submission(run.folder)
    if submission is None or submission.launcher != "slurm":
        return None
    if slurm.silence:
        return _unknown(run, submission)
    job = slurm.jobs.get(submission.job_id)
    if job is not None and job.state.startswith("OUT_OF_MEMORY") and _died_at_work(run):
        # Killed without a word; the same again would end the same way.
        return Action.FAILED, f"job {job.job_id} ran out of memory: raise hydra.launcher.mem_gb"
    if job is None or not job.is_live:
        return None
    where = f" on {job.node}" if job.node else ""
    why = f" ({job.reason})" if job.reason not in ("", "None") else ""
    action = Action.RUNNING if job.state.startswith("RUNNING") else Action.WAITING
    return action, f"job {job.job_id} {job.state.lower()}{where}{why}"


def _died_at_work(run: Run) -> bool:
    """Whether its own last word is that it runs, which it does not."""
    return run.status is not None and run.status.state is State.RUNNING


def _unknown(run: Run, submission: Submission) -> tuple[Action, str] | None:
    """Slurm cannot be asked: its job may still come for a run that it has not seen fail."""
    if run.state is State.FAILED:
        return None
    # A run that was interrupted outside of the job that it was submitted to waits for none.
    outside = run.status is not None and run.status.job_id != submission.job_id
    if run.state is State.INTERRUPTED and outside:
        return None
    return Action.WAITING, f"submitted as job {submission.job_id}; Slurm cannot be asked here"


def is_submitted(folder: RunFolder) -> bool:
    """Whether Slurm was given this run last."""
    submission = _submission(folder)
    return submission is not None and submission.launcher == "slurm"


def _submission(folder: RunFolder) -> Submission | None:
    try:
        return read_submission(folder)
    except (OSError, VqxError):
        return None  # damaged: as if it had never been submitted
