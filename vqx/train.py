"""`python -m vqx.train`: train and evaluate one tokenizer, or with -m a sweep of them.

Light until there is something to train: a run that is done is told from its folder in well under
two seconds.
"""

import os
import shutil
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from vqx.cli import exit_code_of, hydra_entry, show
from vqx.errors import (
    ConfigError,
    ContractBroken,
    DataError,
    Interrupted,
    RunLocked,
    VqxError,
    WeightsMissing,
)

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from vqx.runs.folder import RunFolder


def train(config: "DictConfig") -> None:
    """One run: train it, go on with it, or show its result when it is done.

    What the user can mend is said in one line. A sweep goes on with its next run then, but not
    when a signal asked it to stop.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from vqx.runs.folder import RunFolder

    hydra = HydraConfig.get()
    folder = RunFolder(Path(hydra.runtime.output_dir))
    sweeping = hydra.mode == RunMode.MULTIRUN
    try:
        late_signal = _train(config, folder, overrides=list(hydra.overrides.task))
    except Exception as error:
        _record_failure(folder, error, sweeping=sweeping)
        if sweeping and not isinstance(error, Interrupted):
            show(error)
            # Hydra keeps the error to the sweep's end: without its frames, or they would keep the
            # run's model on the device.
            traceback.clear_frames(error.__traceback__)
            raise error.with_traceback(None) from None
        if not isinstance(error, VqxError):
            raise
        show(error)
        sys.exit(exit_code_of(error))
    _show_result(folder)
    if late_signal and sweeping:
        sys.exit(128 + late_signal)


def _train(config: "DictConfig", folder: "RunFolder", *, overrides: list[str]) -> int:
    """Train if need be; the number of a stop signal that came too late to interrupt it, else 0."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from vqx.guard import check_root_keys, explain

    check_root_keys(config)
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(explain(error)) from error
    assert isinstance(plain, dict)
    if folder.is_done:
        print("done already")
        return 0
    from vqx.training.launch import run_training

    config_ = {str(key): value for key, value in plain.items()}
    return run_training(config_, folder, overrides=overrides)


def _record_failure(folder: "RunFolder", error: Exception, *, sweeping: bool) -> None:
    """Let no refused run stay queued, and leave no folder behind that says nothing.

    A run that was typed alone and refused before its first step has nothing to keep; in a sweep it
    keeps its row.
    """
    from vqx.runs.status import State, Status

    refused = isinstance(error, ConfigError | DataError | WeightsMissing | ContractBroken)
    logged = folder.metrics.exists() and folder.metrics.stat().st_size > 0
    kept = sweeping or logged or folder.checkpoints.exists() or folder.is_done
    if refused and not kept:
        shutil.rmtree(folder.path, ignore_errors=True)
    elif not folder.config.exists():  # Hydra makes the folder before the configuration is checked
        if folder.path.is_dir() and not any(folder.path.iterdir()):
            folder.path.rmdir()
    elif not isinstance(error, RunLocked):
        status = folder.read_status()
        if status is None or status.state is State.QUEUED:
            folder.write_status(Status(state=State.FAILED, message=str(error).splitlines()[0]))


def _show_result(folder: "RunFolder") -> None:
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
        print(folder.path)


def main() -> None:
    """Entry point of `python -m vqx.train` and `vqx-train`."""
    hydra_entry(train)


if __name__ == "__main__":
    main()
