"""How the process of a job ends when a signal stopped it, so that its scheduler does right.

A run that was stopped by its scheduler is to go on; one that was stopped by its user is not.
"""

import os
import re
import signal
import sys
import time
from typing import NoReturn

from vqx.errors import SlurmUnreachable
from vqx.runs.scheduler import job_id as own_job_id
from vqx.sweeps.slurm import requeue_job, slurm_output

# Slurm ends a requeued job within its KillWait (30 s by default): longer than that, and bounded.
_END_SECONDS = 300.0


def first_process() -> bool:
    """Whether this is the process of a job's first node, which answers for the run's folder."""
    return os.environ.get("SLURM_PROCID", "0") == "0"


def end_interrupted(signal_number: int) -> NoReturn:
    """End this process after its run was saved; on Slurm make sure that the job is run again.

    SIGUSR2 was answered by submitit's handler, which requeues on the first node. SIGTERM is all
    that a cluster without that signal sends before it preempts. SIGINT is the user's: no requeue.
    """
    if os.environ.get("SUBMITIT_EXECUTOR") == "slurm" and signal_number != signal.SIGINT:
        if first_process() and signal_number == signal.SIGTERM:
            _requeue_if_still_wanted()
        elif not first_process():
            # The first one that leaves with an exit code ends the whole step, maybe before the
            # first node's process has asked for the requeue.
            time.sleep(_END_SECONDS)
    sys.stdout.flush()
    sys.exit(128 + signal_number)


def _requeue_if_still_wanted() -> None:
    """Requeue this job, unless it is being cancelled or requeued already."""
    job_id = own_job_id() or ""
    try:
        shown = slurm_output(["scontrol", "show", "job", "-o", job_id])
        state = re.search(r"JobState=(\S+)", shown)
        if state is not None and state[1] in ("RUNNING", "PREEMPTED"):
            requeue_job(job_id)
            time.sleep(_END_SECONDS)  # to be ended by Slurm, which then runs it again
    except SlurmUnreachable as error:
        print(f"warning: the job could not be requeued: {error}", flush=True)
