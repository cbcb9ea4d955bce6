"""Sweeps: every planned run has its folder before the first one starts, and an account at the end.

A Hydra callback (conf/config.yaml names it), so it works with any launcher.
"""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback

from vqx.config import run_name

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn
    from omegaconf import DictConfig


def planned_overrides(config: "DictConfig") -> list[list[str]]:
    """The overrides of every job that Hydra's basic sweeper will start, in its order."""
    # Hydra has no public way to ask a sweeper what it will run; hydra-core is pinned below 1.4.
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    params = config.hydra.sweeper.get("params") or {}
    typed = [*(f"{key}={value}" for key, value in params.items()), *config.hydra.overrides.task]
    parsed = OverridesParser.create().parse_overrides(typed)
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
    plain = OmegaConf.to_container(job, resolve=True)
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
        jobs = planned_overrides(config)
        self._jobs = len(jobs)
        self._planned = list(dict.fromkeys(_queue(config, overrides) for overrides in jobs))
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


def _queue(config: "DictConfig", overrides: list[str]) -> Path:
    """Folder of one planned run, made with a `queued` status if it has none."""
    from vqx.runs.configuration import write_configuration
    from vqx.runs.folder import RunFolder
    from vqx.runs.status import State, Status

    plain = composed(config, overrides)
    folder = RunFolder(Path(plain["results"]) / "runs" / run_name(plain))
    if not folder.is_done and folder.read_status() is None:
        write_configuration(folder, plain, overrides=overrides)
        folder.write_status(Status(state=State.QUEUED))
    return folder.path
