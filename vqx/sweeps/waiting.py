"""Waiting for jobs in Slurm: by their folders and squeue, until Slurm has none of them any more.

A folder may say `interrupted` while its job is on its way back through the queue, and a job may be
gone without a word in its folder: both are asked.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vqx.errors import RunLocked, SlurmUnreachable
from vqx.runs.folder import RunFolder
from vqx.runs.lock import RunLock
from vqx.runs.ownership import owner
from vqx.runs.reading import Run, read_run
from vqx.runs.status import State, Status
from vqx.sweeps.slurm import SlurmJob, slurm_jobs

_FIRST_SECONDS, _LONGEST_SECONDS = 1.0, 15.0
_LINE_SECONDS = 60.0  # between lines where there is no terminal to rewrite one on
_MISSES = 3  # answers of Slurm in a row without a job before it is taken for gone
_RESULTS = (State.DONE, State.COLLAPSED, State.DIVERGED)


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job that Slurm took: its folder, its id (123 or 123_4), the file its output goes to."""

    folder: RunFolder
    job_id: str
    log: Path


def wait_for(submitted: Sequence[Submitted]) -> dict[str, SlurmJob | None]:
    """Wait until none of the jobs is live; Slurm's last word on each, None where it has none.

    A controller that does not answer is asked again, for ever: the jobs go on without it.
    """
    waiting = {one.job_id: one for one in submitted}
    misses: Counter[str] = Counter()
    ended: dict[str, SlurmJob | None] = {}
    line, told = ProgressLine(), set[str]()
    pause = _FIRST_SECONDS
    while waiting:
        jobs = _asked(waiting, line)
        if jobs is not None:
            for job_id in list(waiting):
                job = jobs.get(job_id)
                misses[job_id] = misses[job_id] + 1 if job is None else 0
                if (job is not None and not job.is_live) or misses[job_id] >= _MISSES:
                    ended[job_id] = job
                    explain_end(waiting.pop(job_id), job)
            for text in _held(jobs.values()) - told:
                line.say(text)
                told.add(text)
            line.show(_summary(submitted, jobs, len(waiting)))
        if waiting:
            time.sleep(pause)
            pause = min(1.3 * pause, _LONGEST_SECONDS)
    line.end()
    return ended


def _asked(job_ids: Iterable[str], line: "ProgressLine") -> Mapping[str, SlurmJob] | None:
    try:
        return slurm_jobs(job_ids)
    except SlurmUnreachable as error:
        line.say(f"Slurm does not answer, asking again: {error}")
        return None


def _held(jobs: Iterable[SlurmJob]) -> set[str]:
    """What to say of jobs that stay where they are until somebody releases them."""
    return {
        f"held by Slurm ({job.reason}): {job.job_id.split('_')[0]}; scontrol release lets it go on"
        for job in jobs
        if job.is_live and "held" in job.reason.lower()
    }


def _summary(submitted: Sequence[Submitted], jobs: Mapping[str, SlurmJob], waiting: int) -> str:
    """How many jobs are over, and what the folders say."""
    states = Counter(_state(one.folder, jobs.get(one.job_id)) for one in submitted)
    parts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    return f"{len(submitted) - waiting} of {len(submitted)} jobs over: {parts}"


def _state(folder: RunFolder, job: SlurmJob | None) -> str:
    found = read_run(folder.path)
    state = found.state if isinstance(found, Run) else State.FAILED
    if state is State.INTERRUPTED and job is not None and job.is_live:
        return State.QUEUED.value  # on its way back through Slurm's queue
    return state.value


def explain_end(one: Submitted, job: SlurmJob | None) -> None:
    """Let the folder of a job that is gone without a word say what became of it."""
    found = read_run(one.folder.path)
    if not isinstance(found, Run) or found.state in (*_RESULTS, State.FAILED):
        return
    status = found.status
    if status is not None and status.state is State.INTERRUPTED and status.message:
        return  # it was stopped, and said so
    write_end(one.folder, one.job_id, *_meaning(one, job))


def write_end(folder: RunFolder, job_id: str | None, state: State, message: str) -> None:
    """Write the status that job `job_id`, which is gone, can no longer write itself."""
    before = folder.read_status() or Status(state=state)
    status = replace(before, state=state, job_id=job_id, eta_seconds=None, message=message)
    try:
        with RunLock(folder.path):
            if not folder.is_done:
                folder.write_status(status)
    except RunLocked:
        holder = owner(folder.path)
        # Held by nobody but the job that Slurm says is gone: on a node that was lost with it.
        if job_id is not None and holder is not None and holder.job_id == job_id:
            folder.write_status(status)


def _meaning(one: Submitted, job: SlurmJob | None) -> tuple[State, str]:
    """State and message of a run whose job ended as Slurm says."""
    word = job.state.split()[0].rstrip("+") if job is not None else "gone"
    name = f"job {one.job_id}"
    if word in ("CANCELLED", "REVOKED"):
        return State.INTERRUPTED, f"{name} was cancelled"
    if word in ("NODE_FAIL", "BOOT_FAIL"):
        return State.INTERRUPTED, f"{name} lost its node"
    if word in ("TIMEOUT", "DEADLINE", "PREEMPTED"):
        return State.INTERRUPTED, f"{name} was ended by Slurm ({word}) before it could save"
    if word == "OUT_OF_MEMORY":
        return State.FAILED, f"{name} ran out of memory: give it more (hydra.launcher.mem_gb)"
    return State.FAILED, f"{name} ended without a word (Slurm says {word}): see {one.log}"


def print_failures(submitted: Sequence[Submitted], ended: Mapping[str, SlurmJob | None]) -> None:
    """Name each run that is no result, with its folder, log and Slurm's word on its job."""
    for one in submitted:
        found = read_run(one.folder.path)
        if isinstance(found, Run) and found.state in _RESULTS:
            continue
        state, note = (found.state.value, found.note) if isinstance(found, Run) else ("failed", "")
        job = ended.get(one.job_id)
        word = f"{job.state}{f' on {job.node}' if job.node else ''}" if job else "not known"
        print(f"{state}: {one.folder.path}: {note}\n  job {one.job_id} ({word}), log {one.log}")


class ProgressLine:
    """One line on standard output that is rewritten on a terminal; else one now and then."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._terminal = sys.stdout.isatty()
        self._shown = ""
        self._next = 0.0

    def show(self, text: str) -> None:
        """Replace the line by `text`."""
        if text == self._shown:
            return
        if self._terminal:
            print(f"\r\x1b[K{text}", end="", flush=True)
        elif self._clock() >= self._next:
            print(text, flush=True)
            self._next = self._clock() + _LINE_SECONDS
        else:
            return
        self._shown = text

    def say(self, text: str) -> None:
        """A line that stays, the first time it is said in a row."""
        if text != self._shown:
            self.end()
            print(text, flush=True)
            self._shown = text

    def end(self) -> None:
        """Leave the line as it is and go to the next."""
        if self._terminal and self._shown:
            print(flush=True)
        self._shown = ""
