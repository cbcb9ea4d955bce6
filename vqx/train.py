"""`python -m vqx.train`: train and evaluate one tokenizer, or with -m a sweep of them.

Light until there is something to train: a run that is done is told from its folder in well under
two seconds.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vqx.cli import hydra_entry
from vqx.errors import Interrupted, VqxError

if TYPE_CHECKING:
    from omegaconf import DictConfig


def train(config: "DictConfig") -> None:
    """One run: train it, go on with it, or show its result when it is done."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    from vqx.guard import check_root_keys
    from vqx.runs.folder import RunFolder

    hydra = HydraConfig.get()
    folder = RunFolder(Path(hydra.runtime.output_dir))
    try:
        check_root_keys(config)
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        assert isinstance(plain, dict)
        if folder.is_done:
            print("done already")
        else:
            from vqx.training.launch import run_training

            run_training(
                {str(key): value for key, value in plain.items()},
                folder,
                overrides=list(hydra.overrides.task),
            )
    except Interrupted as error:
        if hydra.mode == RunMode.MULTIRUN:
            # Asked to stop, a sweep must not go on with the next run.
            print(f"vqx: {error}", file=sys.stderr)
            sys.exit(128 + error.signal_number)
        raise
    except VqxError:
        _remove_if_empty(folder.path)
        raise
    _show(folder.path)


def _remove_if_empty(path: Path) -> None:
    """Hydra makes the folder before the configuration is checked."""
    if path.is_dir() and not any(path.iterdir()):
        path.rmdir()


def _show(path: Path) -> None:
    import os

    from vqx.reporting.result import result_table
    from vqx.runs.folder import RunFolder

    if int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", 0))) == 0:
        result = RunFolder(path).read_result()
        if result is not None:
            print(f"\n{result_table(result)}\n\n{path}")


def main() -> None:
    """Entry point of `python -m vqx.train` and `vqx-train`."""
    hydra_entry(train)


if __name__ == "__main__":
    main()
