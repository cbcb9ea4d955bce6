"""A sweep as others see it: its rows, planned from the words that start it, and nothing run."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vqx.errors import ConfigError
from vqx.sweeps.planned import PlannedJob
from vqx.sweeps.planning import decide
from vqx.sweeps.sweeping import composed_jobs, options_of

if TYPE_CHECKING:
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from omegaconf import DictConfig


def sweep_jobs(words: Sequence[str], *, config_dir: Path | None = None) -> list[PlannedJob]:
    """The jobs that `python -m vqx.train -m WORDS` would plan now; writes nothing.

    `config_dir` is what `--config-dir` names, for a sweep file of the user's own. Raises
    ConfigError for words that cannot be meant; a job that cannot be run is there as refused.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from vqx.guard import explain

    try:
        config, loader = multirun([w for w in words if w not in ("-m", "--multirun")], config_dir)
        return decide(composed_jobs(config, loader, show_progress=False), options_of(config))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error)) from error


def multirun(
    words: Sequence[str], config_dir: Path | None = None
) -> "tuple[DictConfig, ConfigLoaderImpl]":
    """What Hydra composes for a multirun of `words` before it sweeps, and what composes it."""
    from hydra import version
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra._internal.utils import create_config_search_path
    from hydra.core.config_search_path import SearchPathQuery
    from hydra.core.plugins import Plugins
    from hydra.core.utils import setup_globals
    from hydra.types import RunMode

    from vqx.config import conf_dir, register_resolvers

    version.setbase("1.3")
    setup_globals()
    register_resolvers()
    Plugins.instance()  # Hydra's own sources of configuration are plugins
    path = create_config_search_path(str(conf_dir()))
    if config_dir is not None:
        if not config_dir.is_dir():
            raise ConfigError(f"--config-dir {config_dir}: there is no such folder")
        schema = SearchPathQuery(provider="schema")
        path.prepend("command-line", f"file://{config_dir.resolve()}", anchor=schema)
    loader = ConfigLoaderImpl(path)
    config = loader.load_configuration(
        "config", [*words, "hydra.mode=MULTIRUN"], run_mode=RunMode.MULTIRUN
    )
    return config, loader
