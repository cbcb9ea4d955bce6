"""Jobs for a sweeper that decides as it goes: composed, queued, run to their end, and told back."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from vqx.errors import ConfigError, VqxError
from vqx.running import objective_of
from vqx.runs.reading import Run, read_run
from vqx.sweeps.planned import Action, PlannedJob

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn

    from vqx.sweeps.launching import PlannedLauncher


def launch_for_search(
    launcher: "PlannedLauncher", job_overrides: Sequence[Sequence[str]], *, first_number: int
) -> "list[JobReturn]":
    """Run these jobs, wait for them, and return the metric that `objective` names, or the failure.

    Runs that are done already, here or in another sweep, are not run again.
    """
    from vqx.sweeps.composition import Composer
    from vqx.sweeps.locking import queue_lock
    from vqx.sweeps.planning import make_plan, planning_lock, queue_runs
    from vqx.sweeps.sweeping import options_of

    given = options_of(launcher.config)
    if given.plan or given.cancel:
        asked = "plan=true" if given.plan else "cancel=true"
        raise ConfigError(f"{asked}: this sweeper decides as it goes, use hydra/sweeper=search")
    options = replace(given, wait=True, retry="failed")
    composer = Composer(launcher.config, cast(Any, launcher.hydra_context.config_loader))
    results = Path(str(launcher.config.results))
    with queue_lock(results):
        with planning_lock(results):
            jobs = make_plan(job_overrides, composer, options, show_progress=False)
            to_run = [job for job in jobs if job.action is Action.RUN]
            queue_runs(to_run)
            if to_run:
                launcher.submit(to_run, options)
        # A search that was started again waits for the trials that its last start submitted.
        elsewhere = [job for job in jobs if job.action in (Action.RUNNING, Action.WAITING)]
        if to_run or elsewhere:
            launcher.adopt(elsewhere)
            launcher.finish(options)
    numbered = enumerate(jobs, start=first_number)
    return [_returned(job, number, options.objective, launcher) for number, job in numbered]


def _returned(
    job: PlannedJob, number: int, objective: str | None, launcher: "PlannedLauncher"
) -> "JobReturn":
    """What Hydra hands to a sweeper for one job: asking a failed one for its value raises."""
    from hydra.core.utils import JobReturn, JobStatus
    from omegaconf import OmegaConf

    returned = JobReturn(
        overrides=list(job.overrides),
        cfg=OmegaConf.create(dict(job.config)) if job.config is not None else None,
        hydra_cfg=launcher.config,
        working_dir=str(job.folder.path) if job.folder is not None else None,
        task_name=f"{launcher.config.hydra.job.name}-{number}",
    )
    try:
        returned.return_value = _value(job, objective)
        returned.status = JobStatus.COMPLETED
    except VqxError as error:
        returned.return_value = error
        returned.status = JobStatus.FAILED
    return returned


def _value(job: PlannedJob, objective: str | None) -> float | None:
    """The objective of a job that has ended. Raises VqxError when it has no result."""
    if job.folder is None:
        raise ConfigError(job.note)
    found = read_run(job.folder.path)
    if isinstance(found, Run) and found.result is None:
        raise VqxError(f"{found.state.value}: {job.folder.path}: {found.note}")
    return objective_of(job.folder, objective)
