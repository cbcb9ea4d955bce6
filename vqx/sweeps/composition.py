"""Configurations of a sweep's jobs, composed once for each distinct set of group choices.

Hydra takes 0.1 s to compose one: it reads every file anew. Jobs that choose the same files differ
in values alone, and those are set on a copy as Hydra itself sets them.
"""

import pickle
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vqx.guard import check_root_keys
from vqx.sweeps.options import without_options

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader
    from hydra.core.override_parser.types import Override
    from omegaconf import DictConfig


class Composer:
    """Composes jobs of the multirun configuration `config`, as `loader` would."""

    # Hydra has no public way to apply overrides to what it composed; hydra-core is pinned.

    def __init__(self, config: "DictConfig", loader: "ConfigLoader") -> None:
        from hydra._internal.config_loader_impl import ConfigLoaderImpl
        from hydra.core.override_parser.overrides_parser import OverridesParser

        assert isinstance(loader, ConfigLoaderImpl)
        self._config = config
        self._loader = loader
        self._parser = OverridesParser.create()
        typed = list(config.hydra.overrides.hydra)  # hydra.searchpath may be among them
        name = config.hydra.job.config_name
        _, self.repository = loader._parse_overrides_and_create_caching_repo(name, typed)
        self._parsed: dict[str, Override] = {}
        self._groups: dict[str, bool] = {}
        self._chosen: dict[tuple[str, ...], bytes | Exception] = {}

    def __call__(self, overrides: Sequence[str]) -> dict[str, Any]:
        """The plain, resolved configuration of one job, without hydra and the sweep's options.

        Raises what composing raises: Hydra's and OmegaConf's errors, and ConfigError.
        """
        from omegaconf import OmegaConf

        job = self._composed(overrides)
        check_root_keys(job)
        plain = OmegaConf.to_container(job, resolve=True, throw_on_missing=True)
        assert isinstance(plain, dict)
        return without_options({str(key): value for key, value in plain.items()})

    def _composed(self, overrides: Sequence[str]) -> "DictConfig":
        """The unresolved configuration of one job, without hydra."""
        from hydra._internal.config_loader_impl import ConfigLoaderImpl
        from hydra.errors import ConfigCompositionException
        from omegaconf.errors import OmegaConfBaseException

        parsed = [self._parse(text) for text in overrides]
        if any(override.is_sweep_override() for override in parsed):
            return self._slowly(overrides)  # which refuses it
        values = [override for override in parsed if not self._chooses(override)]
        choices = [text for text, o in zip(overrides, parsed, strict=True) if self._chooses(o)]
        job = self._choice(tuple(choices))
        try:
            ConfigLoaderImpl._apply_overrides_to_config(values, job)
        except OmegaConfBaseException as error:
            raise ConfigCompositionException from error
        return job

    def _parse(self, text: str) -> "Override":
        if text not in self._parsed:
            (self._parsed[text],) = self._parser.parse_overrides([text])
        return self._parsed[text]

    def _chooses(self, override: "Override") -> bool:
        """Whether Hydra reads other files for this override, or it is about Hydra itself."""
        key = override.key_or_group
        if override.is_hydra_override() or key == "hydra":
            return True
        if key not in self._groups:
            self._groups[key] = self.repository.group_exists(key)
        return self._groups[key] and not isinstance(override.value(), dict)

    def _choice(self, choices: tuple[str, ...]) -> "DictConfig":
        """A copy of the composition of group choices alone; a refusal of it is remembered too."""
        if choices not in self._chosen:
            try:
                self._chosen[choices] = pickle.dumps(self._slowly(choices))
            except Exception as error:
                self._chosen[choices] = error
        found = self._chosen[choices]
        if isinstance(found, Exception):
            raise found.with_traceback(None)
        job: DictConfig = pickle.loads(found)  # four times as fast as a deep copy
        return job

    def _slowly(self, overrides: Sequence[str]) -> "DictConfig":
        from omegaconf import open_dict

        job = self._loader.load_sweep_config(self._config, list(overrides))
        with open_dict(job):
            del job["hydra"]
        return job
