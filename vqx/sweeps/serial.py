"""One job of a sweep after another, in this process."""

import gc
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vqx.cli import exit_code_of, show
from vqx.errors import Diverged, Interrupted, RunLocked
from vqx.running import record_failure, run_or_go_on, show_result

if TYPE_CHECKING:
    from vqx.sweeps.planned import PlannedJob


def run_serially(jobs: "Sequence[PlannedJob]") -> None:
    """Run each job; one that fails says so and leaves the others their turn.

    A stop signal ends them all, after the running one is saved, with the shell's exit code.
    """
    for number, job in enumerate(jobs, start=1):
        if len(jobs) > 1:
            print(f"\nrun {number} of {len(jobs)}: {' '.join(job.overrides)}", flush=True)
        late_signal = _run(job)
        _free_memory()
        if late_signal:
            sys.exit(128 + late_signal)


def _run(job: "PlannedJob") -> int:
    """The number of a stop signal that came too late to interrupt the run, else 0."""
    assert job.config is not None
    assert job.folder is not None
    late_signal = 0
    try:
        late_signal = run_or_go_on(job.config, job.folder, overrides=job.overrides)
        show_result(job.folder)
    except RunLocked as error:
        print(f"left alone: {error}", flush=True)
    except Interrupted as error:
        show(error)
        sys.exit(exit_code_of(error))
    except Exception as error:
        if not isinstance(error, Diverged):
            record_failure(job.folder, error, keep=True)
        show(error)
        traceback.clear_frames(error.__traceback__)  # or they would keep the model on the device
    return late_signal


def _free_memory() -> None:
    """Let the next run have all the memory of this one."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
