"""What a sweep is called, and whether its file is more than a list of jobs."""

import hashlib
import re
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vqx.errors import ConfigError
from vqx.guard import explain
from vqx.sweeps.options import OPTION_NAMES

if TYPE_CHECKING:
    from hydra._internal.config_repository import IConfigRepository
    from hydra.core.default_element import InputDefault
    from hydra.core.override_parser.types import Override
    from omegaconf import DictConfig

_NO_RUNS = (*OPTION_NAMES, "results", "cache_dir")  # keys that change no run
_LONGEST = 40


def sweep_name(typed: Sequence[str]) -> str:
    """The +sweeps name, else what it varies and a hash, e.g. quantizer-seed-4d64dd39.

    The same for the same runs, whatever the sweep's options, launcher and results folder: its runs
    stay together under it, as a group of Weights & Biases.
    """
    overrides = _parsed(typed)
    named = [name for override in overrides for name in _choices(override)]
    if named:
        return "+".join(named)
    kept = [o for o in overrides if o.key_or_group not in _NO_RUNS and not o.is_hydra_override()]
    words = sorted(override.input_line or "" for override in kept)
    varied = [o.key_or_group.split(".")[-1] for o in kept if o.is_sweep_override()]
    said = re.sub(r"[^\w-]+", "_", "-".join(varied))[:_LONGEST].rstrip("-_") or "sweep"
    return f"{said}-{hashlib.sha256(chr(10).join(words).encode()).hexdigest()[:8]}"


def job_words(typed: Sequence[str], repository: "IConfigRepository") -> list[str]:
    """`typed` without +sweeps=NAME, unless that file sets something for all jobs too.

    So a run's overrides, typed again, are that run.
    """
    return [
        word
        for word, override in zip(typed, _parsed(typed), strict=True)
        if not (names := _choices(override))
        or any(_sets_something(name, repository) for name in names)
    ]


def watch_command(config: "DictConfig") -> str:
    """What shows the sweep of the multirun `config` while it runs, for a shell."""
    typed = list(config.hydra.overrides.task)
    kept = [
        word
        for word, override in zip(typed, _parsed(typed), strict=True)
        if override.key_or_group not in OPTION_NAMES
    ]
    named = any(_choices(override) for override in _parsed(typed))
    # How the jobs run is nothing to the table; where sweeps and choices come from is.
    ours = [
        word
        for word in config.hydra.overrides.hydra
        if not word.startswith(("hydra.mode=", "hydra/launcher=", "hydra.launcher."))
    ]
    sources = config.hydra.runtime.config_sources
    places = [str(source.path) for source in sources if source.provider == "command-line"]
    folders = [part for place in places for part in ("--config-dir", place)]
    words = [*([] if named else ["-m"]), *kept, *ours, *folders, "--watch"]
    return f"python -m vqx.status {shlex.join(words)}"


def _parsed(typed: Sequence[str]) -> "list[Override]":
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_overrides(list(typed))
    except HydraException as error:
        raise ConfigError(explain(error)) from error


def _choices(override: "Override") -> list[str]:
    """Names of the sweep files that an override chooses."""
    if override.key_or_group != "sweeps":
        return []
    if override.is_sweep_override():
        raise ConfigError(f"'{override.input_line}': one sweep at a time")
    value: Any = override.value()
    return [str(name) for name in (value if isinstance(value, list) else [value])]


def _sets_something(name: str, repository: "IConfigRepository") -> bool:
    """Whether a sweep file has root keys for its jobs beside how to sweep."""
    loaded = repository.load_config(f"sweeps/{name}")
    if loaded is None:
        return False
    if loaded.header["package"] != "_global_":
        raise ConfigError(f"sweeps/{name}.yaml must begin with the line '# @package _global_'")
    keys = {str(key) for key in loaded.config} - {"hydra", "defaults", *OPTION_NAMES}
    return bool(keys) or not all(_is_hydras(default) for default in loaded.defaults_list or [])


def _is_hydras(default: "InputDefault") -> bool:
    """Whether an entry of a defaults list chooses for Hydra alone, e.g. a launcher."""
    group = str(getattr(default, "group", None) or "")
    return default.is_self() or group.lstrip("/").startswith("hydra/")
