"""`python -m vqx.train`: train and evaluate one tokenizer, or with -m a sweep of them.

Light until there is something to train: a run that is done is told from its folder in well under
two seconds.
"""

import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqx.cli import exit_code_of, hydra_entry, show
from vqx.errors import ConfigError, Diverged, Interrupted, RunLocked, VqxError

if TYPE_CHECKING:
    from omegaconf import DictConfig


def train(config: "DictConfig") -> float | None:
    """One run: train it, go on with it, or show its result when it is done.

    Returns the metric that `objective` names, for a search. What the user can mend is said in one
    line. Under a launcher of Hydra's own a sweep goes on with its next run then, but not when a
    signal asked it to stop.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from vqx.running import objective_of, record_failure, run_or_go_on, show_result
    from vqx.runs.folder import RunFolder
    from vqx.sweeps.options import without_options

    hydra = HydraConfig.get()
    folder = RunFolder(Path(hydra.runtime.output_dir))
    sweeping = hydra.mode == RunMode.MULTIRUN
    try:
        objective = _objective(config, hydra.runtime.choices, sweeping=sweeping)
    except ConfigError as error:
        if folder.path.is_dir() and not any(folder.path.iterdir()):
            folder.path.rmdir()  # Hydra has made it
        _end(error, sweeping=sweeping)
        return None
    try:
        plain = without_options(_plain(config))
        late_signal = run_or_go_on(plain, folder, overrides=list(hydra.overrides.task))
    except Exception as error:
        record_failure(folder, error, keep=sweeping)
        _end(error, sweeping=sweeping)
        return None
    show_result(folder)
    if late_signal and sweeping:
        sys.exit(128 + late_signal)
    try:
        return objective_of(folder, objective)
    except ConfigError as error:
        _end(error, sweeping=sweeping)
        return None


def _objective(config: "DictConfig", choices: Mapping[str, Any], *, sweeping: bool) -> str | None:
    """The metric that a search optimises. Raises ConfigError for options that cannot be.

    Before the run's folder is looked at: it may be another process's.
    """
    from vqx.sweeps.options import OPTION_NAMES, SweepOptions, options_of_one_run

    options = {name: config[name] for name in OPTION_NAMES if name in config}
    if sweeping:
        return SweepOptions.from_config(options).objective
    launcher = choices.get("hydra/launcher")
    return options_of_one_run(
        options,
        sweep=choices.get("sweeps"),
        launcher=None if launcher in ("serial", "basic") else launcher,
    ).objective


def _plain(config: "DictConfig") -> dict[str, Any]:
    """The resolved configuration. Raises ConfigError for one that cannot be meant."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from vqx.guard import check_root_keys, explain

    check_root_keys(config)
    try:
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(explain(error)) from error
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _end(error: Exception, *, sweeping: bool) -> None:
    """Say what is wrong, and exit, or in a sweep hand it to Hydra's launcher.

    A run that another process holds is left alone there, and one that diverged is a result.
    """
    if sweeping and not isinstance(error, Interrupted):
        show(error)
        if isinstance(error, RunLocked | Diverged):
            return
        # Hydra keeps the error to the sweep's end: without its frames, or they would keep the
        # run's model on the device.
        traceback.clear_frames(error.__traceback__)
        raise error.with_traceback(None) from None
    if not isinstance(error, VqxError):
        raise error
    show(error)
    sys.exit(exit_code_of(error))


def main() -> None:
    """Entry point of `python -m vqx.train` and `vqx-train`."""
    hydra_entry(train)


if __name__ == "__main__":
    main()
