"""vqx's search, where Hydra looks for sweepers: what it does is in vqx.sweeps.search.

Imported at every start of Hydra, so what is heavy is imported inside.
"""

from typing import TYPE_CHECKING, Any

from hydra.plugins.sweeper import Sweeper

if TYPE_CHECKING:
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig


class SearchSweeper(Sweeper):
    """hydra-optuna-sweeper on a study that survives: a restart goes on to `n_trials` in all."""

    def __init__(self, **options: Any) -> None:
        self._options = options

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

    def sweep(self, arguments: list[str]) -> None:
        """Run trials until the study has all of them."""
        from vqx.sweeps.search import search

        search(
            self._options,
            arguments,
            config=self.config,
            hydra_context=self.hydra_context,
            task_function=self.task_function,
        )
