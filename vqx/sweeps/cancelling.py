"""Ending a sweep's jobs, wherever they wait or run; running ones save first."""

import os
import signal
import socket
import time
from collections.abc import Iterable, Mapping, Sequence

from vqx.errors import SlurmUnreachable, VqxError
from vqx.runs.folder import RunFolder
from vqx.runs.lock import is_held
from vqx.runs.ownership import owner
from vqx.runs.reading import Run, read_run
from vqx.runs.status import State
from vqx.sweeps.locking import is_queue_alive
from vqx.sweeps.planned import Action, PlannedJob
from vqx.sweeps.slurm import SlurmJob, cancel_jobs, slurm_jobs
from vqx.sweeps.submission import read_submission
from vqx.sweeps.waiting import write_end

_SAVE_SECONDS = 90.0  # for the end of a step and its checkpoint
_END_SECONDS = 60.0  # for Slurm to end what it was told to
_POLL_SECONDS = 0.5


def cancel(jobs: Sequence[PlannedJob]) -> None:
    """End those of the planned `jobs` that wait or run, and say so in their folders and here.

    Raises VqxError naming the jobs that could not be ended.
    """
    folders = [
        job.folder
        for job in jobs
        if job.folder is not None and job.action is not Action.DUPLICATE and not job.folder.is_done
    ]
    submitted = {id_: folder for folder in folders if (id_ := _slurm_id(folder)) is not None}
    live = _live(submitted) if submitted else {}
    _end_in_slurm(live)
    for job_id, job in live.items():
        _account(submitted[job_id], job_id, started=job.state.startswith("RUNNING"))
    elsewhere = [folder for folder in folders if _slurm_id(folder) not in live]
    ended = _end_processes(elsewhere)
    print(f"cancelled {len(live) + ended} of {len(jobs)} jobs", flush=True)


def _slurm_id(folder: RunFolder) -> str | None:
    submission = read_submission(folder)
    return submission.job_id if submission and submission.launcher == "slurm" else None


def _live(job_ids: Iterable[str]) -> dict[str, SlurmJob]:
    return {job_id: job for job_id, job in slurm_jobs(job_ids).items() if job.is_live}


def _end_in_slurm(live: Mapping[str, SlurmJob]) -> None:
    """Cancel waiting jobs at once; let running ones save, then cancel what is left of them.

    SIGINT says that it is the user who stops the job: SIGTERM would have it requeued.
    """
    running = [job_id for job_id, job in live.items() if job.state.startswith("RUNNING")]
    waiting = [job_id for job_id in live if job_id not in running]
    if waiting:
        cancel_jobs(waiting)
    if running:
        cancel_jobs(running, signal_name="INT")
        _wait_until_gone(running, _SAVE_SECONDS)
    left = _wait_until_gone(live, 0.0)
    if left:  # some may have started or come back between the question and the answer
        cancel_jobs(left)
        left = _wait_until_gone(left, _END_SECONDS)
    if left:
        raise VqxError(f"Slurm did not end {', '.join(left)}: try `scancel {' '.join(left)}`")


def _wait_until_gone(job_ids: Iterable[str], seconds: float) -> list[str]:
    """Those of the jobs that are live after at most `seconds`."""
    end = time.monotonic() + seconds
    left = list(job_ids)
    while True:
        try:
            left = list(_live(left))
        except SlurmUnreachable as error:
            print(f"Slurm does not answer: {error}", flush=True)
        if not left or time.monotonic() >= end:
            return left
        time.sleep(_POLL_SECONDS)


def _account(folder: RunFolder, job_id: str, *, started: bool) -> None:
    """Say what became of a cancelled job, in its folder too unless it did so itself."""
    status = folder.read_status()
    if status is None or status.state is not State.INTERRUPTED or not status.message:
        message = "cancelled before it could save" if started else "cancelled before it started"
        write_end(folder, job_id, State.INTERRUPTED, message)
    found = read_run(folder.path)
    note = f": {found.note}" if isinstance(found, Run) and found.note else ""
    print(f"  job {job_id}: {folder.path}{note}", flush=True)


def _end_processes(folders: Sequence[RunFolder]) -> int:
    """Stop runs of this machine's processes, and the sweeps in which others wait for their turn."""
    waiting = [folder for folder in folders if _queue_pid(folder) is not None]
    for pid in {pid for folder in waiting if (pid := _queue_pid(folder)) is not None}:
        _tell(pid)
    running = [folder for folder in folders if _held(folder) and _told(folder)]
    _wait_until_free(running)
    for folder in waiting:
        if folder not in running:
            write_end(folder, None, State.INTERRUPTED, "cancelled before it started")
    for folder in [*running, *(folder for folder in waiting if folder not in running)]:
        found = read_run(folder.path)
        print(f"  {folder.path}: {found.note if isinstance(found, Run) else ''}", flush=True)
    return len({*running, *waiting})


def _queue_pid(folder: RunFolder) -> int | None:
    """The process on this machine that will come to this queued run; None if none will."""
    status = folder.read_status()
    if status is None or status.state is not State.QUEUED or status.host != socket.gethostname():
        return None
    alive = is_queue_alive(folder.path.parent, status.host, status.pid)
    return status.pid if alive else None


def _held(folder: RunFolder) -> bool:
    return folder.path.exists() and is_held(folder.path)


def _told(folder: RunFolder) -> bool:
    """Ask the process that holds `folder` to stop; False if it is out of reach."""
    holder = owner(folder.path)
    if holder is None or holder.host != socket.gethostname():
        where = holder or "another process"
        print(f"  not cancelled: {folder.path} is held by {where}: stop it there", flush=True)
        return False
    _tell(holder.pid)
    return True


def _tell(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise VqxError(f"process {pid} is another user's: {error}") from error


def _wait_until_free(folders: Sequence[RunFolder]) -> None:
    end = time.monotonic() + _SAVE_SECONDS
    left = list(folders)
    while left and time.monotonic() < end:
        time.sleep(_POLL_SECONDS)
        left = [folder for folder in left if _held(folder)]
    if left:
        raise VqxError(f"still running: {', '.join(str(folder.path) for folder in left)}")
