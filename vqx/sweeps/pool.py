"""Jobs side by side on one machine: a process and a share of it each, started as others end.

The jobs are sessions of their own: a Ctrl-C on the terminal reaches this process alone, which lets
them save. If it is killed, the kernel tells them to save and end.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from submitit.local.local import LOCAL_REQUEUE_RETURN_CODE, LocalExecutor, LocalJob

from vqx.runs.durations import duration
from vqx.runs.folder import RunFolder
from vqx.runs.reading import Run, read_run
from vqx.runs.status import State
from vqx.sweeps.ending import POOL
from vqx.sweeps.job import RunJob
from vqx.sweeps.slots import Slot
from vqx.sweeps.submission import Submission, write_submission
from vqx.sweeps.waiting import write_end

_POLL_SECONDS = 0.1
_REMIND_SECONDS = 5.0  # a signal is lost on a process that does not listen yet
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)


class SlotExecutor(LocalExecutor):
    """submitit's local executor without its controller, which kills what it ends after a second.

    Starts each job with the `variables` and on the `cores` set before.
    """

    variables: Mapping[str, str]
    cores: Sequence[int]
    _started = 0

    def _submit_command(self, command: str) -> "LocalJob[Any]":
        self._started += 1
        job_id = f"local-{os.getpid()}-{int(time.time())}-{self._started}"
        job: LocalJob[Any] = LocalJob(folder=self.folder, job_id=job_id)
        environment = {
            **os.environ,
            "SUBMITIT_EXECUTOR": "local",
            "SUBMITIT_LOCAL_JOB_ID": job_id,
            POOL: str(os.getpid()),
            **self.variables,
        }
        with job.paths.stdout.open("ab") as log:
            job._process = subprocess.Popen(
                shlex.split(command),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=self._pin,
            )
        return job

    def _pin(self) -> None:
        """In the new process: keep to the slot's cores."""
        if sys.platform == "linux":
            os.sched_setaffinity(0, self.cores)


@dataclass(slots=True)
class _Running:
    number: int
    call: RunJob
    slot: Slot
    process: "subprocess.Popen[bytes]"
    log: Path
    started: float = field(default_factory=time.monotonic)


class Pool:
    """Runs calls in slots; `place` is where submitit keeps their files and logs."""

    def __init__(self, slots: Sequence[Slot], place: Path, *, sweep: str) -> None:
        place.mkdir(parents=True, exist_ok=True)
        self._executor = SlotExecutor(place)
        self._free = list(slots)
        self._slots = len(slots)
        self._sweep = sweep
        self._running: list[_Running] = []
        self._stop = 0
        self._told = 0.0
        self._seconds: list[float] = []
        self._over = 0

    def run(
        self, calls: Sequence[RunJob], *, ranks: Sequence[int], variables: Mapping[str, str]
    ) -> int:
        """Run all calls; the number of the signal that stopped them early, else 0."""
        waiting = list(enumerate(calls, start=1))
        total = len(waiting)
        before = {number: signal.signal(number, self._note) for number in _STOP_SIGNALS}
        try:
            while (waiting and not self._stop) or self._running:
                while waiting and self._free and not self._stop:
                    number, call = waiting.pop(0)
                    self._start(number, call, ranks[number - 1], variables, total=total)
                for one in [one for one in self._running if one.process.poll() is not None]:
                    if self._is_over(one, total):
                        continue
                    waiting.insert(0, (one.number, one.call))
                self._pass_on()
                time.sleep(_POLL_SECONDS)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        return self._stop

    def _start(
        self, number: int, call: RunJob, ranks: int, variables: Mapping[str, str], *, total: int
    ) -> None:
        slot = self._free.pop(0)
        self._executor.variables = {**slot.environment(ranks), **variables}
        self._executor.cores = slot.cores
        job = self._executor.submit(call)
        assert isinstance(job, LocalJob)
        assert job._process is not None
        folder = RunFolder(call.folder)
        submission = Submission(
            launcher="local",
            job_id=str(job.job_id),
            log=str(job.paths.stdout),
            sweep=self._sweep,
            code=call.code,
        )
        write_submission(folder, submission)
        self._running.append(_Running(number, call, slot, job._process, job.paths.stdout))
        print(f"start {number} of {total} on {slot}: {folder.path.name}", flush=True)

    def _is_over(self, one: _Running, total: int) -> bool:
        """Free the slot of an ended process; False if its job asked to be run again."""
        self._running.remove(one)
        self._free.insert(0, one.slot)
        if one.process.returncode == LOCAL_REQUEUE_RETURN_CODE and not self._stop:
            return False
        self._over += 1
        self._seconds.append(time.monotonic() - one.started)
        _explain(one, stopped=bool(self._stop))
        found = read_run(one.call.folder)
        state, note = (found.state, found.note) if isinstance(found, Run) else (State.FAILED, "")
        said = f": {note}" if note else ""
        if state is State.FAILED:
            said += f" (log {one.log})"
        left = total - self._over
        eta = f" (eta {self._eta(left)})" if left and not self._stop else ""
        what = f"{one.call.folder.name} {state.value} after {duration(self._seconds[-1])}{said}"
        print(f"{self._over} of {total} over{eta}: {what}", flush=True)
        return True

    def _eta(self, left: int) -> str:
        """From the mean of ended jobs; what runs has its part behind it."""
        mean = sum(self._seconds) / len(self._seconds)
        behind = sum(min(mean, time.monotonic() - one.started) for one in self._running)
        return duration(max(0.0, left * mean - behind) / min(self._slots, left))

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._stop and number == signal.SIGINT:
            for one in self._running:
                with suppress(ProcessLookupError):
                    os.killpg(one.process.pid, signal.SIGKILL)
        elif not self._stop:
            count = len(self._running)
            again = ", Ctrl-C again kills them" if number == signal.SIGINT else ""
            print(f"stopping: {count} running jobs save first{again}", flush=True)
        self._stop = self._stop or number

    def _pass_on(self) -> None:
        """Ask the running jobs to stop, once this process was asked to, and again."""
        if self._stop and time.monotonic() >= self._told + _REMIND_SECONDS:
            for one in self._running:
                if one.process.poll() is None:
                    one.process.send_signal(signal.SIGTERM)
            self._told = time.monotonic()


def _explain(one: _Running, *, stopped: bool) -> None:
    """Let the folder of a job whose process died without a word say so."""
    found = read_run(one.call.folder)
    if one.process.returncode == 0 or not isinstance(found, Run):
        return
    said = found.status.state if found.status else State.QUEUED
    if said not in (State.QUEUED, State.RUNNING) or found.result is not None:
        return
    if stopped:  # before it listened, or killed at the second Ctrl-C
        message = "stopped with its sweep before it could save"
        write_end(found.folder, None, State.INTERRUPTED, message)
        return
    code = one.process.returncode
    how = f"killed by signal {-code}; out of memory?" if code < 0 else f"exit code {code}"
    message = f"its process ended without a word ({how}): see {one.log}"
    write_end(found.folder, None, State.FAILED, message)
