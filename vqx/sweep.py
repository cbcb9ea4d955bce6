"""Sweeps: every planned run has its folder before the first one starts, and an account at the end.

A Hydra callback (conf/config.yaml names it), so it works with any launcher.
"""

import hashlib
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from vqx.config import run_name
from vqx.errors import ConfigError, VqxError
from vqx.guard import check_root_keys

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn
    from omegaconf import DictConfig


def planned_overrides(config: "DictConfig") -> list[list[str]]:
    """The overrides of every job that Hydra's basic sweeper will start, in its order."""
    # Hydra has no public way to ask a sweeper what it will run; hydra-core is pinned below 1.4.
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser

    params = config.hydra.sweeper.get("params") or {}
    typed = [*(f"{key}={value}" for key, value in params.items()), *config.hydra.overrides.task]
    loader = GlobalHydra.instance().config_loader() if GlobalHydra().is_initialized() else None
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(typed)
    jobs: list[list[str]] = BasicSweeper.split_arguments(parsed, None)[0]
    return jobs


def composed(config: "DictConfig", overrides: list[str]) -> dict[str, Any]:
    """The plain, resolved configuration of one job of the sweep `config`."""
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf, open_dict

    loader = GlobalHydra.instance().config_loader()
    job = loader.load_sweep_config(config, overrides)
    with open_dict(job):
        del job["hydra"]
    check_root_keys(job)
    plain = OmegaConf.to_container(job, resolve=True, throw_on_missing=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


class QueuePlannedRuns(Callback):
    """Writes a `queued` status for each run of a sweep that has none, so that reports show it."""

    def __init__(self) -> None:
        self._planned: list[Path] = []
        self._jobs = 0

    def on_multirun_start(self, config: "DictConfig", **kwargs: Any) -> None:
        """Compose every job once, and say how many are done already."""
        from vqx.runs.folder import RunFolder

        if not str(config.hydra.sweeper._target_).endswith("BasicSweeper"):
            return  # a search decides its jobs as it goes
        os.environ.setdefault("VQX_SWEEP", sweep_name(config))
        try:
            jobs = planned_overrides(config)
            plans = [_plan(config, overrides) for overrides in jobs]
        except (HydraException, OmegaConfBaseException):
            return  # Hydra checks all jobs itself, and says what is wrong
        if not jobs:
            typed = " ".join(config.hydra.overrides.task)
            raise ConfigError(f"nothing to run: a glob in '{typed}' matches no choice")
        self._jobs = len(jobs)
        planned = [_queue(plan, overrides) for plan, overrides in zip(plans, jobs, strict=True)]
        self._planned = [path for path in dict.fromkeys(planned) if path is not None]
        done = sum(RunFolder(path).is_done for path in self._planned)
        print(f"sweep: {len(self._planned)} runs, {done} done already")

    def on_job_end(self, config: "DictConfig", job_return: "JobReturn", **kwargs: Any) -> None:
        """After the last job: how many runs are in which state, and which ones are not done."""
        from vqx.runs.reading import Run, read_run
        from vqx.runs.status import State

        if not self._planned or config.hydra.job.num != self._jobs - 1:
            return
        runs = [run for path in self._planned if isinstance(run := read_run(path), Run)]
        states = Counter(run.state.value for run in runs)
        print("\nsweep: " + ", ".join(f"{count} {state}" for state, count in states.items()))
        for run in runs:
            if run.state != State.DONE:
                print(f"  {run.state.value}: {run.folder.path}: {run.note}")


def sweep_name(config: "DictConfig") -> str:
    """What to call a sweep: the same for the same command, so that its runs stay together."""
    typed = "\n".join(sorted(config.hydra.overrides.task))
    return f"sweep-{hashlib.sha256(typed.encode()).hexdigest()[:8]}"


def _plan(config: "DictConfig", overrides: list[str]) -> dict[str, Any] | None:
    """Configuration of one planned run; None if it will be refused: that job itself says why."""
    try:
        return composed(config, overrides)
    except (VqxError, MissingMandatoryValue):
        return None


def _queue(plain: dict[str, Any] | None, overrides: list[str]) -> Path | None:
    """Folder of one planned run, made with a `queued` status if it has none."""
    from vqx.runs.configuration import write_configuration
    from vqx.runs.folder import RunFolder
    from vqx.runs.status import State, Status

    if plain is None:
        return None
    folder = RunFolder(Path(plain["results"]) / "runs" / run_name(plain))
    if not folder.is_done and folder.read_status() is None:
        write_configuration(folder, plain, overrides=overrides)
        folder.write_status(Status(state=State.QUEUED))
    return folder.path
