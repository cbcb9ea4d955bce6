"""How the process of a job ends when a signal stopped it, so that its scheduler does right.

A run that was stopped by its scheduler is to go on; one that was stopped by its user is not.
"""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from types import FrameType
from typing import Any, NoReturn

from vqx.errors import Interrupted, SlurmUnreachable
from vqx.runs.scheduler import job_id
from vqx.sweeps.slurm import patient_output, requeue_job

# Slurm ends a requeued job within its KillWait (30 s by default): longer than that, and bounded.
_END_SECONDS = 120.0
POOL = "VQX_POOL"  # variable: the process id of the pool that started this job


def on_slurm() -> bool:
    """Whether this process was started by a job of Slurm's that vqx submitted."""
    return os.environ.get("SUBMITIT_EXECUTOR") == "slurm"


def first_process() -> bool:
    """Whether this is the process of a job's first node, which answers for the run's folder."""
    return os.environ.get("SLURM_PROCID", "0") == "0"


def on_sigterm(number: int, frame: FrameType | None) -> None:
    """Answer SIGTERM: all that a cluster without SIGUSR2 sends before it preempts a job.

    Before training takes the signals over it ends the job. Training calls this after it has saved,
    or when it is overdue: then Slurm is to run the job again.
    """
    if signal.getsignal(number) is on_sigterm:
        raise Interrupted("stopped before its first step", signal_number=number)
    if on_slurm() and first_process():
        _requeue_if_still_wanted()


def patient(requeue: Any) -> Any:
    """submitit's handler `requeue` for SIGUSR2, asking a controller that is busy again."""
    if not callable(requeue) or not on_slurm():
        return requeue

    def on_sigusr2(number: int, frame: FrameType | None) -> None:
        try:
            requeue(number, frame)
        except (subprocess.SubprocessError, OSError) as error:
            print(f"warning: {error}: asking again", flush=True)
            try:
                requeue_job(job_id() or "")
            except SlurmUnreachable as refusal:
                print(f"warning: the job could not be requeued: {refusal}", flush=True)
            sys.exit(128 + number)

    return on_sigusr2


def stop_with_pool() -> None:
    """On Linux have the kernel send SIGTERM when the pool that started this process is killed.

    Its next start may come at once: a run that nobody waits for would share its GPU with others.
    """
    pool = os.environ.get(POOL)
    if pool is None or sys.platform != "linux":
        return
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)
    if os.getppid() != int(pool):
        raise Interrupted("stopped before its first step", signal_number=signal.SIGTERM)


def end_interrupted(signal_number: int) -> NoReturn:
    """End this process after its run was saved, so that Slurm goes on with the job if it is to.

    SIGUSR2 was answered by submitit's handler, which requeues on the first node. SIGINT is the
    user's: no requeue.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # Slurm's last word: nothing is left to save
    if on_slurm() and signal_number != signal.SIGINT:
        asked = first_process() and signal_number == signal.SIGTERM
        if not first_process() or (asked and not _requeue_if_still_wanted()):
            # The first process that leaves with an exit code ends the whole step, maybe before the
            # job is back in the queue; Slurm ends all of them after it.
            time.sleep(_END_SECONDS)
    sys.stdout.flush()
    sys.exit(128 + signal_number)


def _requeue_if_still_wanted() -> bool:
    """Requeue this job, unless it is being cancelled or requeued already; False if that failed."""
    try:
        shown = patient_output(["scontrol", "show", "job", "-o", job_id() or ""])
        if re.search(r"JobState=(RUNNING|PREEMPTED)\b", shown):
            requeue_job(job_id() or "")
    except SlurmUnreachable as error:
        print(f"warning: the job could not be requeued: {error}", flush=True)
        return False
    return True
