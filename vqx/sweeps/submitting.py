"""Handing planned jobs to Slurm, in as few arrays as resources and the cluster's limits allow."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vqx.errors import ConfigError, VqxError
from vqx.runs.status import State
from vqx.sweeps.calls import call_for, sweep_name, variables_for
from vqx.sweeps.job import RunJob
from vqx.sweeps.options import SweepOptions
from vqx.sweeps.planned import PlannedJob
from vqx.sweeps.resources import Partition, Resources, partition_of, resources_of
from vqx.sweeps.slurm import cancel_jobs, max_array_size
from vqx.sweeps.submission import Submission, read_submission, write_submission
from vqx.sweeps.waiting import Submitted, print_failures, wait_for, write_end

# The rest goes to submitit by the name that it has there.
_OWN = (
    "submitit_folder",
    "max_num_timeout",
    "max_starts_in_vain",
    "stop_seconds",
    "array_parallelism",
    "tasks_per_node",
)
_HOW_TO_GO_ON = (
    "the same command again goes on with what is missing; with cancel=true it ends the jobs"
)
_SHARED = ("timeout_min", "cpus_per_task", "gpus_per_node", "mem_gb", "nodes", "name")


class Submitter:
    """Submits jobs with a launcher's `options`; `submitted` are those that Slurm took."""

    def __init__(self, options: Mapping[str, Any], *, searchpath: tuple[str, ...]) -> None:
        self._options = options
        self._searchpath = searchpath
        self.submitted: list[Submitted] = []
        self._adopted: list[Submitted] = []

    def adopt(self, jobs: Sequence[PlannedJob]) -> None:
        """Wait for these too if asked to: jobs of the sweep that are in Slurm already."""
        for job in jobs:
            assert job.folder is not None
            before = read_submission(job.folder)
            if before is not None and before.launcher == "slurm":
                self._adopted.append(Submitted(job.folder, before.job_id, Path(before.log)))

    def submit(self, jobs: Sequence[PlannedJob], sweep: SweepOptions) -> None:
        """Call sbatch for all jobs; each folder then holds its submission.

        Raises VqxError with Slurm's own words when it refuses: what it took before stays.
        """
        try:
            self._check_limits()
            arrays = self._arrays(jobs)
        except VqxError as error:
            _leave(jobs, str(error))
            raise
        parallel = sweep.max_parallel or int(self._options["array_parallelism"])
        # Slurm limits the tasks of one array only: arrays that would exceed it together queue up.
        chained = len(arrays) > 1 and len(jobs) > parallel
        previous: str | None = None
        for number, (resources, part) in enumerate(arrays):
            try:
                taken = self._submit_array(
                    part, resources, sweep, parallel=parallel, after=previous if chained else None
                )
            except Exception as error:
                refused = [job for _, rest in arrays[number:] for job in rest]
                raise self._refusal(refused, error) from error
            previous = taken[0].job_id.split("_")[0]
            self.submitted.extend(taken)

    def finish(self, sweep: SweepOptions) -> None:
        """Say which jobs were submitted and how to watch them, and wait for them if asked to.

        Ctrl-C while waiting leaves the jobs running.
        """
        submitted, self.submitted = self.submitted, []
        adopted, self._adopted = self._adopted, []
        if submitted:
            print(f"submitted {_counted(submitted)}\nlogs: {submitted[0].log.parent}")
        if not sweep.wait:
            print(_HOW_TO_GO_ON, flush=True)
            return
        if adopted:
            print(f"submitted before: {_counted(adopted)}")
        awaited = [*submitted, *adopted]
        try:
            print_failures(awaited, wait_for(awaited))
        except KeyboardInterrupt:
            print(f"\nleft running: {_counted(awaited)}\n{_HOW_TO_GO_ON}", flush=True)
            raise

    def _check_limits(self) -> None:
        limit, notice = (float(self._options[key]) for key in ("timeout_min", "signal_delay_s"))
        if notice >= 60 * limit:  # Slurm would send the signal at once, at every start
            raise ConfigError(
                f"hydra.launcher.signal_delay_s={notice:g} leaves no time to train within "
                f"hydra.launcher.timeout_min={limit:g}: change one of them"
            )
        if int(self._options["max_starts_in_vain"]) < 1:
            raise ConfigError(
                "hydra.launcher.max_starts_in_vain="
                f"{self._options['max_starts_in_vain']} lets no job start: 1 or more"
            )

    def _arrays(self, jobs: Sequence[PlannedJob]) -> list[tuple[Resources, list[PlannedJob]]]:
        """The jobs by what they need, in parts that fit into an array here."""
        partition = partition_of(self._options)
        groups: dict[Resources, list[PlannedJob]] = {}
        for job in jobs:
            groups.setdefault(self._resources(job, partition), []).append(job)
        largest = max_array_size()
        return [
            (resources, group[start : start + largest])
            for resources, group in groups.items()
            for start in range(0, len(group), largest)
        ]

    def _resources(self, job: PlannedJob, partition: Partition) -> Resources:
        assert job.config is not None
        return resources_of(job.config, self._options, partition)

    def _submit_array(
        self,
        jobs: Sequence[PlannedJob],
        resources: Resources,
        sweep: SweepOptions,
        *,
        parallel: int,
        after: str | None,
    ) -> list[Submitted]:
        """One call of sbatch, and the submission in each folder right after it."""
        variables = variables_for(jobs, sweep)
        executor = self._executor(resources, variables, parallel=parallel, after=after)
        calls = [
            call_for(
                job,
                sweep,
                searchpath=self._searchpath,
                stop_seconds=self._stop_seconds(),
                starts_in_vain=int(self._options["max_starts_in_vain"]),
            )
            for job in jobs
        ]
        handles = executor.submit_array(calls)
        try:
            return [_noted(*each) for each in zip(jobs, calls, handles, strict=True)]
        except BaseException:  # a full disk, Ctrl-C: no job is to run that no folder knows of
            cancel_jobs({str(handle.job_id).split("_")[0] for handle in handles})
            raise

    def _stop_seconds(self) -> float:
        given = self._options.get("stop_seconds")
        return 0.75 * float(self._options["signal_delay_s"]) if given is None else float(given)

    def _executor(
        self,
        resources: Resources,
        variables: Mapping[str, str],
        *,
        parallel: int,
        after: str | None,
    ) -> Any:
        """submitit's executor with all that sbatch is to be told."""
        import submitit

        options = {**self._options, "name": self._job_name()}
        exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        options["setup"] = [*exports, *(options.get("setup") or [])] or None
        extra = {"requeue": True, **(options.pop("additional_parameters", None) or {})}
        srun = ["--kill-on-bad-exit=1", *(options.pop("srun_args", None) or [])]
        if resources.cpus_per_task is not None:  # srun does not take it from sbatch by itself
            srun.append(f"--cpus-per-task={resources.cpus_per_task}")
        options["gpus_per_node"] = resources.gpus_per_node
        options["cpus_per_task"] = resources.cpus_per_task
        executor = submitit.AutoExecutor(
            # Made before sbatch is called, and so before a job may open its log in it.
            folder=Path(options["submitit_folder"]) / sweep_name(),
            cluster="slurm",
            slurm_max_num_timeout=options["max_num_timeout"],
        )
        given = {key: value for key, value in options.items() if key not in _OWN}
        executor.update_parameters(
            **{(k if k in _SHARED else f"slurm_{k}"): v for k, v in given.items() if v is not None},
            tasks_per_node=1,
            slurm_array_parallelism=parallel,
            slurm_additional_parameters=extra,
            slurm_srun_args=srun,
            **({"slurm_dependency": f"afterany:{after}"} if after else {}),
        )
        return executor

    def _job_name(self) -> str:
        name = str(self._options.get("name") or "vqx")
        return sweep_name() if name == "vqx" else name

    def _refusal(self, refused: Sequence[PlannedJob], error: Exception) -> VqxError:
        """Say in the folders of refused jobs, and return an error that says, why nothing runs."""
        reason = _reason(error)
        _leave(refused, reason)
        ids = sorted({one.job_id.split("_")[0] for one in self.submitted}, key=int)
        stays = f"; submitted before and left there: {', '.join(ids)}" if ids else ""
        return VqxError(f"Slurm refused {_many(len(refused))}: {reason}{stays}")


def _noted(job: PlannedJob, call: RunJob, handle: Any) -> Submitted:
    """A job that Slurm took, noted in its folder."""
    assert job.folder is not None
    taken = Submitted(job.folder, str(handle.job_id), Path(handle.paths.stdout))
    submission = Submission(
        launcher="slurm",
        job_id=taken.job_id,
        log=str(taken.log),
        sweep=sweep_name(),
        code=call.code,
    )
    write_submission(job.folder, submission)
    return taken


def _leave(jobs: Sequence[PlannedJob], reason: str) -> None:
    """Say in the folders of queued jobs that nothing will run them, and why."""
    for job in jobs:
        assert job.folder is not None
        write_end(job.folder, None, State.INTERRUPTED, f"not submitted: {reason}")


def _counted(jobs: Sequence[Submitted]) -> str:
    """How many jobs, and the ids of their arrays."""
    ids = ", ".join(dict.fromkeys(one.job_id.split("_")[0] for one in jobs))
    return f"{_many(len(jobs))} to Slurm: {ids}"


def _many(count: int) -> str:
    return f"{count} job{'s' * (count > 1)}"


def _reason(error: Exception) -> str:
    """sbatch's own words out of an error of submitit's."""
    said = re.findall(r"sbatch: (?:error|fatal): (.+)", str(error))
    return "; ".join(dict.fromkeys(said)) or " ".join(str(error).split())[:300]
