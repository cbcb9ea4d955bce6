"""What a sweep is about to do with each of its jobs, and the folders of those that are to run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vqx.config import run_name
from vqx.errors import VqxError
from vqx.runs.folder import RunFolder
from vqx.sweeps.classification import Slurm, classify, is_submitted
from vqx.sweeps.locking import planning_lock
from vqx.sweeps.options import SweepOptions
from vqx.sweeps.planned import Action, PlannedJob
from vqx.sweeps.queueing import queue_runs

__all__ = ["compose_jobs", "decide", "make_plan", "planning_lock", "queue_runs"]

Compose = Callable[[Sequence[str]], dict[str, Any]]


def make_plan(
    jobs: Sequence[Sequence[str]], composer: Compose, options: SweepOptions, *, show_progress: bool
) -> list[PlannedJob]:
    """Every job of a sweep with what is to be done about it; reads folders and writes nothing.

    A bar runs with `show_progress`, on a terminal only.
    """
    return decide(compose_jobs(jobs, composer, show_progress=show_progress), options)


def compose_jobs(
    jobs: Sequence[Sequence[str]], composer: Compose, *, show_progress: bool
) -> list[PlannedJob]:
    """Each job with its configuration and folder: to run, refused, or a duplicate."""
    from tqdm import tqdm

    hidden = None if show_progress else True  # None: hidden unless on a terminal
    first: dict[Path, int] = {}
    planned: list[PlannedJob] = []
    for number, overrides in enumerate(
        tqdm(jobs, desc="plan", leave=False, disable=hidden, dynamic_ncols=True, delay=1.0), 1
    ):
        job = _compose(overrides, composer)
        if job.folder is not None:
            twin = first.setdefault(job.folder.path, number)
            if twin != number:
                job = replace(job, action=Action.DUPLICATE, note=f"the same run as job {twin}")
        planned.append(job)
    return planned


def _compose(overrides: Sequence[str], composer: Compose) -> PlannedJob:
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from vqx.guard import explain

    try:
        config = composer(overrides)
    except (VqxError, HydraException, OmegaConfBaseException) as error:
        return PlannedJob(
            overrides=tuple(overrides),
            config=None,
            folder=None,
            action=Action.REFUSED,
            note=str(error) if isinstance(error, VqxError) else explain(error),
        )
    return PlannedJob(
        overrides=tuple(overrides), config=config, folder=folder_of(config), action=Action.RUN
    )


def folder_of(config: Mapping[str, Any]) -> RunFolder:
    """Where the run of a plain, resolved configuration is."""
    return RunFolder(Path(config["results"]) / "runs" / run_name(config))


def decide(jobs: Sequence[PlannedJob], options: SweepOptions) -> list[PlannedJob]:
    """The composed `jobs` with what their folders, locks and Slurm say now; asks Slurm once."""
    slurm = Slurm.of(job.folder for job in jobs if job.folder is not None)
    decided: list[PlannedJob] = []
    for job in jobs:
        if job.folder is None or job.config is None or job.action is Action.DUPLICATE:
            decided.append(job)
            continue
        action, note = classify(job.folder, job.config, slurm)
        if action is Action.FAILED and options.retry == "failed":
            action = Action.RUN
        waits = action is Action.WAITING and is_submitted(job.folder)
        silent = waits and bool(slurm.silence)
        decided.append(replace(job, action=action, note=note, slurm_is_silent=silent))
    return decided
