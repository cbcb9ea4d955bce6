"""A sweep's jobs side by side on this machine."""

import sys
from collections.abc import Sequence

from vqx.sweeps.calls import call_for, sweep_name, variables_for
from vqx.sweeps.job import CODE_LISTS
from vqx.sweeps.options import SweepOptions
from vqx.sweeps.planned import PlannedJob
from vqx.sweeps.slots import slots_for


def run_side_by_side(
    jobs: Sequence[PlannedJob],
    options: SweepOptions,
    *,
    searchpath: tuple[str, ...],
    stop_seconds: float | None,
    slots: int | None,
    cores_per_job: int | None,
) -> None:
    """Run each job in a process of its own; one that fails leaves the others alone.

    A stop signal ends all of them, after running ones have saved, with the shell's exit code.
    """
    if not jobs:
        return
    configs = [job.config for job in jobs if job.config is not None]
    shares = slots_for(
        configs, slots=slots, cores_per_job=cores_per_job, max_parallel=options.max_parallel
    )
    calls = [
        call_for(job, options, searchpath=searchpath, stop_seconds=stop_seconds) for job in jobs
    ]
    from vqx.sweeps.pool import Pool

    pool = Pool(shares, calls[0].folder.parent / CODE_LISTS / sweep_name(), sweep=sweep_name())
    print(f"{len(jobs)} job{'s' * (len(jobs) > 1)}, {len(shares)} at a time", flush=True)
    ranks = [int(config["trainer"]["devices"]) for config in configs]
    stopped_by = pool.run(calls, ranks=ranks, variables=variables_for(jobs, options))
    if stopped_by:
        sys.exit(128 + stopped_by)
