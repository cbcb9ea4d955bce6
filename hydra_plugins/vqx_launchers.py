"""vqx's launchers, where Hydra looks for them: what they do is in vqx.sweeps.

Imported at every start of Hydra, so what is heavy is imported inside.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hydra.core.config_store import ConfigStore
from hydra_plugins.hydra_submitit_launcher.config import SlurmQueueConf
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher as StockLauncher

from vqx.sweeps.launching import PlannedLauncher

if TYPE_CHECKING:
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig

    from vqx.sweeps.options import SweepOptions
    from vqx.sweeps.planned import PlannedJob


class SerialLauncher(PlannedLauncher):
    """One job after another, in this process."""

    def __init__(self) -> None:
        self._jobs: list[PlannedJob] = []

    def setup(
        self,
        *,
        hydra_context: "HydraContext",
        task_function: "TaskFunction",
        config: "DictConfig",
    ) -> None:
        """Hydra's own step after construction. Raises ConfigError for snapshot=true."""
        from vqx.errors import ConfigError

        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)
        if config.get("snapshot") and not (config.get("plan") or config.get("cancel")):
            raise ConfigError(
                "snapshot=true is for jobs in processes of their own: choose hydra/launcher=local "
                "or slurm, or leave it out"
            )

    def submit(self, jobs: "Sequence[PlannedJob]", options: "SweepOptions") -> None:
        """Remember the jobs."""
        self._jobs.extend(jobs)

    def finish(self, options: "SweepOptions") -> None:
        """Run them all."""
        from vqx.sweeps.serial import run_serially

        jobs, self._jobs = self._jobs, []
        run_serially(jobs)


class LocalLauncher(PlannedLauncher):
    """Jobs side by side on this machine, each with its own GPUs or cores."""

    def __init__(
        self,
        slots: int | None = None,
        cores_per_job: int | None = None,
        stop_seconds: float | None = None,
    ) -> None:
        self._shares = {"slots": slots, "cores_per_job": cores_per_job}
        self._stop_seconds = stop_seconds
        self._jobs: list[PlannedJob] = []

    def submit(self, jobs: "Sequence[PlannedJob]", options: "SweepOptions") -> None:
        """Remember the jobs."""
        self._jobs.extend(jobs)

    def finish(self, options: "SweepOptions") -> None:
        """Run them all."""
        from vqx.sweeps.local import run_side_by_side

        jobs, self._jobs = self._jobs, []
        run_side_by_side(
            jobs,
            options,
            searchpath=self.searchpath,
            stop_seconds=self._stop_seconds,
            **self._shares,
        )


class SlurmLauncher(PlannedLauncher, StockLauncher):
    """Arrays of Slurm jobs, one task a node; detached unless told to wait."""

    def setup(
        self,
        *,
        hydra_context: "HydraContext",
        task_function: "TaskFunction",
        config: "DictConfig",
    ) -> None:
        """Hydra's own step after construction."""
        from vqx.sweeps.submitting import Submitter

        PlannedLauncher.setup(
            self, hydra_context=hydra_context, task_function=task_function, config=config
        )
        self._submitter = Submitter(self.params, searchpath=self.searchpath)

    def submit(self, jobs: "Sequence[PlannedJob]", options: "SweepOptions") -> None:
        """Hand the jobs to sbatch, and note in each folder what became of it."""
        self._submitter.submit(jobs, options)

    def adopt(self, jobs: "Sequence[PlannedJob]") -> None:
        """Wait for these jobs too, which an earlier command handed to Slurm."""
        self._submitter.adopt(jobs)

    def finish(self, options: "SweepOptions") -> None:
        """Say how to watch the jobs, or wait for them."""
        self.detached = not options.wait
        self._submitter.finish(options)


@dataclass
class SlurmOptions(SlurmQueueConf):
    """hydra-submitit-launcher's options and vqx's own; conf/hydra/launcher/slurm.yaml sets them."""

    _target_: str = "hydra_plugins.vqx_launchers.SlurmLauncher"
    nodelist: str | None = None
    exclusive: bool | None = None
    stop_seconds: float | None = None
    max_starts_in_vain: int = 10
    srun_args: list[str] = field(default_factory=list)


ConfigStore.instance().store(
    group="hydra/launcher", name="vqx_slurm", node=SlurmOptions, provider="vqx"
)
