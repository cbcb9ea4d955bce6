"""One run from its configuration to its account, as the single command and a sweep's jobs share it.

Light until there is something to train: a run that is done is told from its folder.
"""

import os
import shutil
import traceback
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vqx.errors import (
    ConfigError,
    ContractBroken,
    DataError,
    RunLocked,
    WeightsMissing,
)

if TYPE_CHECKING:
    from vqx.runs.folder import RunFolder


def run_or_go_on(
    config: Mapping[str, Any], folder: "RunFolder", *, overrides: Sequence[str]
) -> int:
    """Train the run of `config` (plain, without a sweep's options), unless its result is there.

    Returns the number of a stop signal that came too late to interrupt it, else 0; raises what
    vqx.training.launch.run_training raises.
    """
    if folder.is_done:
        print("done already", flush=True)
        return 0
    from vqx.training.launch import run_training

    return run_training(dict(config), folder, overrides=overrides)


def record_failure(folder: "RunFolder", error: Exception, *, keep: bool) -> None:
    """Let no refused run stay queued, and leave no folder behind that says nothing.

    A run that was refused before its first step has nothing to keep, unless `keep`: a sweep's row.
    """
    refused = isinstance(error, ConfigError | DataError | WeightsMissing | ContractBroken)
    logged = folder.metrics.exists() and folder.metrics.stat().st_size > 0
    kept = keep or logged or folder.checkpoints.exists() or folder.is_done
    kept = kept or folder.submission.exists()  # a job is to come for it
    if refused and not kept:
        shutil.rmtree(folder.path, ignore_errors=True)
    elif not folder.config.exists():  # Hydra makes the folder before the configuration is checked
        if folder.path.is_dir() and not any(folder.path.iterdir()):
            folder.path.rmdir()
    elif not isinstance(error, RunLocked):
        _say_failed(folder, error)


def _say_failed(folder: "RunFolder", error: Exception) -> None:
    """In the status of a run whose training had not begun, and so could not say it itself."""
    from vqx.runs.status import State, Status, first_line

    status = folder.read_status()
    if status is None or status.state is State.QUEUED:
        folder.write_status(Status(state=State.FAILED, message=first_line(error)))
        folder.write_error("".join(traceback.format_exception(error)))


def show_result(folder: "RunFolder") -> None:
    """Print a finished run's metrics and its folder, on the first rank."""
    from vqx.reporting.single import result_table
    from vqx.runs.reading import Run, read_run
    from vqx.runs.status import State

    first_rank = os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0"
    result = folder.read_result()
    if first_rank and result is not None:
        print(f"\n{result_table(result)}\n")
        run = read_run(folder.path)
        if isinstance(run, Run) and run.state is State.COLLAPSED:
            print(f"collapsed: {run.note}")
        print(folder.path, flush=True)


def objective_of(folder: "RunFolder", name: str | None) -> float | None:
    """The value of metric `name` in a finished run's result; None for no name or no result.

    Raises ConfigError naming the metrics that there are.
    """
    result = folder.read_result() if name is not None else None
    if result is None:
        return None
    metrics = result.get("metrics", {})
    value = metrics[name].get("value") if name in metrics else None
    if not isinstance(value, int | float):
        raise ConfigError(
            f"objective={name} is no metric of {folder.path}: it has {', '.join(sorted(metrics))}"
        )
    return float(value)
