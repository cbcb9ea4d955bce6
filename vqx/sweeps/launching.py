"""What vqx's launchers have in common: they run planned jobs, each from its folder.

Imported at every start of Hydra, so what is heavy is imported inside.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hydra.plugins.launcher import Launcher

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig

    from vqx.sweeps.options import SweepOptions
    from vqx.sweeps.planned import PlannedJob


class PlannedLauncher(Launcher):
    """Launcher of planned jobs; `detached` says whether jobs may still run after `finish`."""

    detached = False

    def setup(
        self,
        *,
        hydra_context: "HydraContext",
        task_function: "TaskFunction",
        config: "DictConfig",
    ) -> None:
        """Hydra's own step after construction."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    @property
    def searchpath(self) -> tuple[str, ...]:
        """Where configuration was looked for besides vqx's own: hydra.searchpath, --config-dir."""
        own = ("hydra", "main", "schema")
        sources = self.config.hydra.runtime.config_sources
        return tuple(
            f"{source.schema}://{source.path}" for source in sources if source.provider not in own
        )

    @abstractmethod
    def submit(self, jobs: "Sequence[PlannedJob]", options: "SweepOptions") -> None:
        """Take on jobs whose folders hold their configuration and say `queued`."""

    def adopt(self, jobs: "Sequence[PlannedJob]") -> None:
        """Also wait for jobs of the sweep that were submitted before, where that can be done."""
        return

    @abstractmethod
    def finish(self, options: "SweepOptions") -> None:
        """Run what was submitted, or say how to watch it; what became of it is in the folders."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> "Sequence[JobReturn]":
        """Run jobs for a sweeper that decides as it goes, and return their objectives."""
        from vqx.sweeps.searching import launch_for_search

        return launch_for_search(self, job_overrides, first_number=initial_job_idx)
