"""A sweep as others see it: its rows, planned from the words that start it, and nothing run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vqx.errors import ConfigError, VqxError
from vqx.sweeps.planned import PlannedJob
from vqx.sweeps.planning import decide
from vqx.sweeps.sweeping import composed_jobs, options_of
from vqx.sweeps.trials import is_search, study_folder, trial_jobs, trials_file

if TYPE_CHECKING:
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from omegaconf import DictConfig


def sweep_jobs(words: Sequence[str], *, config_dir: Path | None = None) -> list[PlannedJob]:
    """The jobs that `python -m vqx.train -m WORDS` would plan now; writes nothing.

    Of a search: the trials that it has begun. `config_dir` is what `--config-dir` names, for a
    sweep file of the user's own. Raises ConfigError for words that cannot be meant, VqxError for a
    search that has not begun; a job that cannot be run is there as refused.
    """
    with _one_line():
        config, loader = multirun(words, config_dir)
        return decide(_jobs(config, loader), options_of(config))


def growing_file(words: Sequence[str], *, config_dir: Path | None = None) -> Path | None:
    """The file that gets a line whenever the sweep gets a job: of a search; else None."""
    with _one_line():
        config, _ = multirun(words, config_dir)
        return trials_file(study_folder(config)) if is_search(config) else None


def _jobs(config: "DictConfig", loader: "ConfigLoaderImpl") -> list[PlannedJob]:
    if not is_search(config):
        return composed_jobs(config, loader, show_progress=False)
    if jobs := trial_jobs(config, loader):
        return jobs
    raise VqxError(f"the search {study_folder(config)} has begun no trial")


@contextmanager
def _one_line() -> Iterator[None]:
    """What Hydra refuses, as a ConfigError."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    from vqx.guard import explain

    try:
        yield
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
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
    overrides = [word for word in words if word not in ("-m", "--multirun")]
    config = loader.load_configuration(
        "config", [*overrides, "hydra.mode=MULTIRUN"], run_mode=RunMode.MULTIRUN
    )
    return config, loader
