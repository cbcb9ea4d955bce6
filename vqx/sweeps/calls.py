"""Planned jobs as calls that a scheduler can keep, and what it is to start them with."""

import os
from collections.abc import Sequence
from pathlib import Path

from vqx.runs.code import code_fingerprint, save_fingerprint
from vqx.sweeps.job import CODE_LISTS, RunJob
from vqx.sweeps.options import SweepOptions
from vqx.sweeps.planned import PlannedJob


def call_for(
    job: PlannedJob,
    options: SweepOptions,
    *,
    searchpath: tuple[str, ...],
    stop_seconds: float | None,
    starts_in_vain: int | None = None,
) -> RunJob:
    """The call that runs a queued job; the code it was submitted with is noted beside the runs."""
    assert job.config is not None
    assert job.folder is not None
    folder = job.folder.path.absolute()
    fingerprint = code_fingerprint(job.config)
    save_fingerprint(fingerprint, folder.parent / CODE_LISTS)
    return RunJob(
        folder,
        stale=options.stale,
        stop_seconds=stop_seconds,
        code=fingerprint.digest,
        searchpath=searchpath,
        snapshot=options.snapshot,
        starts_in_vain=starts_in_vain,
    )


def variables_for(jobs: Sequence[PlannedJob], options: SweepOptions) -> dict[str, str]:
    """Environment variables that jobs need besides this process's own: a snapshot's place."""
    if not options.snapshot:
        return {}
    from vqx.sweeps.snapshot import take_snapshot

    configs = [job.config for job in jobs if job.config is not None]
    folders = [job.folder.path.absolute() for job in jobs if job.folder is not None]
    place = take_snapshot(configs, folders[0].parent)
    behind = [str(Path.cwd()), *filter(None, [os.environ.get("PYTHONPATH")])]
    # `python -m` would put the working directory, maybe the repository, before everything else.
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join([str(place), *behind])}


def sweep_name() -> str:
    """What this sweep is called: the same for the same command."""
    return os.environ.get("VQX_SWEEP", "vqx")
