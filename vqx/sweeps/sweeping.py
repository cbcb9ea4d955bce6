"""A multirun from its composed configuration to its account."""

import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from vqx.errors import ConfigError
from vqx.sweeps.account import account_lines, exit_code, look_again
from vqx.sweeps.composition import Composer
from vqx.sweeps.expansion import jobs_of
from vqx.sweeps.launching import PlannedLauncher
from vqx.sweeps.locking import planning_lock, queue_lock
from vqx.sweeps.naming import job_words, sweep_name, watch_command
from vqx.sweeps.options import SweepOptions
from vqx.sweeps.planned import Action, PlannedJob
from vqx.sweeps.planning import compose_jobs, decide
from vqx.sweeps.queueing import queue_runs
from vqx.sweeps.summary import refusals, summary_lines
from vqx.sweeps.table import plan_table

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader
    from hydra.plugins.launcher import Launcher
    from omegaconf import DictConfig

_OURS = "hydra_plugins.vqx_sweeper.VqxSweeper"


def composed_jobs(
    config: "DictConfig", loader: "ConfigLoader", *, show_progress: bool
) -> list[PlannedJob]:
    """The jobs of the multirun `config`, composed but not looked up in their folders yet."""
    from omegaconf import OmegaConf

    composer = Composer(config, loader)
    sweeper = OmegaConf.to_container(config.hydra.sweeper, resolve=True)
    assert isinstance(sweeper, dict)
    if sweeper.get("_target_") != _OURS:
        raise ConfigError(f"{sweeper.get('_target_')} keeps no list of its jobs: hydra/sweeper=vqx")
    typed = job_words(list(config.hydra.overrides.task), composer.repository)
    settings = {str(key): value for key, value in sweeper.items()}
    return compose_jobs(jobs_of(settings, typed, loader), composer, show_progress=show_progress)


def options_of(config: "DictConfig") -> SweepOptions:
    """The sweep's options in a composed configuration."""
    from omegaconf import OmegaConf

    from vqx.sweeps.options import OPTION_NAMES

    options = OmegaConf.masked_copy(config, list(OPTION_NAMES))
    plain = OmegaConf.to_container(options, resolve=True)
    assert isinstance(plain, dict)
    return SweepOptions.from_config({str(key): value for key, value in plain.items()})


def run_sweep(config: "DictConfig", loader: "ConfigLoader", launcher: "Launcher") -> int:
    """Plan, start and account for a sweep; returns the exit code.

    Raises ConfigError, before anything is written, when a job cannot be run as written.
    """
    options, name = options_of(config), sweep_name(list(config.hydra.overrides.task))
    _check_place(config)
    os.environ.setdefault("VQX_SWEEP", name)
    jobs = composed_jobs(config, loader, show_progress=True)
    if options.plan:
        jobs = decide(jobs, options)
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        print("\n".join(plan_table(name, jobs, width=width)))
        return 1 if refusals(jobs) else 0
    if refused := refusals(jobs):
        raise ConfigError("; ".join(refused) + ("; nothing was started" if len(jobs) > 1 else ""))
    if options.cancel:
        from vqx.sweeps.cancelling import cancel

        cancel(decide(jobs, options))
        return 0
    return _start(name, jobs, launcher, options, config)


def _check_place(config: "DictConfig") -> None:
    """Raise ConfigError for runs that are to be elsewhere than reports and other sweeps look."""
    place = Path(str(config.results)) / "runs"
    if Path(str(config.hydra.sweep.dir)) != place:
        raise ConfigError(
            f"hydra.sweep.dir={config.hydra.sweep.dir}: runs are in RESULTS/runs: give results=DIR"
        )


def _start(
    name: str,
    jobs: Sequence[PlannedJob],
    launcher: "Launcher",
    options: SweepOptions,
    config: "DictConfig",
) -> int:
    """Queue and run what is to be run; the exit code by what the folders say at the end."""
    places = sorted({Path(str(job.config["results"])) for job in jobs if job.config})
    ours = launcher if isinstance(launcher, PlannedLauncher) else None
    with ExitStack() as queues:
        with ExitStack() as planning:
            for place in places:
                planning.enter_context(planning_lock(place))
                queues.enter_context(queue_lock(place))
            jobs = decide(jobs, options)
            print("\n".join(summary_lines(name, jobs)), flush=True)
            to_run = [job for job in jobs if job.action is Action.RUN]
            queue_runs(to_run)
            elsewhere = [j for j in jobs if j.action in (Action.RUNNING, Action.WAITING)]
            at_work = to_run or (options.wait and elsewhere)
            if ours and to_run:
                ours.submit(to_run, options)
        try:
            if ours and at_work:
                ours.adopt(elsewhere)
                ours.finish(options)
            elif to_run:
                launcher.launch([list(job.overrides) for job in to_run], initial_job_idx=0)
        except Exception:
            _show_account(name, jobs)
            raise
    if ours and at_work and ours.detached:
        print(f"watch this sweep: {watch_command(config)}", flush=True)
        return 0  # its jobs may not have begun
    return exit_code(_show_account(name, jobs))


def _show_account(name: str, jobs: Sequence[PlannedJob]) -> list[PlannedJob]:
    rows = look_again(jobs)
    print("\n" + "\n".join(account_lines(name, rows)), flush=True)
    return rows
