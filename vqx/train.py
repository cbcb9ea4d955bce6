"""`python -m vqx.train`: train and evaluate one tokenizer, or with -m a sweep of them.

Light until there is something to train: a run that is done is told from its folder in well under
two seconds.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vqx.cli import exit_code_of, hydra_entry
from vqx.errors import ConfigError, Interrupted, VqxError

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
    try:
        _train(config, folder, overrides=list(hydra.overrides.task))
    except VqxError as error:
        _remove_if_empty(folder.path)
        if os.environ.get("VQX_TRACEBACK"):
            raise
        print(f"vqx: {error}", file=sys.stderr, flush=True)
        if hydra.mode == RunMode.MULTIRUN and not isinstance(error, Interrupted):
            raise
        sys.exit(exit_code_of(error))
    _show(folder)


def _train(config: "DictConfig", folder: "RunFolder", *, overrides: list[str]) -> None:
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
        return
    from vqx.training.launch import run_training

    run_training({str(key): value for key, value in plain.items()}, folder, overrides=overrides)


def _remove_if_empty(path: Path) -> None:
    """Hydra makes the folder before the configuration is checked."""
    if path.is_dir() and not any(path.iterdir()):
        path.rmdir()


def _show(folder: "RunFolder") -> None:
    from vqx.reporting.single import result_table

    first_rank = os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) == "0"
    result = folder.read_result()
    if first_rank and result is not None:
        print(f"\n{result_table(result)}\n\n{folder.path}")


def main() -> None:
    """Entry point of `python -m vqx.train` and `vqx-train`."""
    hydra_entry(train)


if __name__ == "__main__":
    main()
