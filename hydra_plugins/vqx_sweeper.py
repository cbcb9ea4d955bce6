"""vqx's sweeper, where Hydra looks for it: what it does is in vqx.sweeps.

Imported at every start of Hydra, so what is heavy is imported inside.
"""

import sys
from typing import TYPE_CHECKING, Any

from hydra.plugins.sweeper import Sweeper

if TYPE_CHECKING:
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig


class VqxSweeper(Sweeper):
    """Runs the jobs of a grid, zips and rows, each in the folder that its configuration names."""

    def __init__(self, **settings: Any) -> None:
        """`settings` are read from the configuration: here Hydra has instantiated parts of them."""

    def setup(
        self,
        *,
        hydra_context: "HydraContext",
        task_function: "TaskFunction",
        config: "DictConfig",
    ) -> None:
        """Hydra's own step after construction."""
        from hydra.core.plugins import Plugins

        typed = config.hydra.overrides.hydra
        if not any(word.startswith("hydra.mode=") for word in typed):
            # A sweep file said so; jobs that are composed without it are to know it too.
            typed.append("hydra.mode=MULTIRUN")
        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the sweep; exits with 1 when one of its rows failed."""
        from vqx.sweeps.sweeping import run_sweep

        code = run_sweep(self.config, self.hydra_context.config_loader, self.launcher)
        if code:
            sys.exit(code)
