"""What a sweep does with its jobs: root keys of the configuration that are no part of any run."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from vqx.errors import ConfigError

STALE = ("refuse", "warn")


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOptions:
    """The options of `python -m vqx.train -m`, as conf/config.yaml documents them."""

    plan: bool = False
    retry: str | None = None
    wait: bool = False
    cancel: bool = False
    stale: str = "refuse"
    snapshot: bool = False
    max_parallel: int | None = None
    objective: str | None = None

    def __post_init__(self) -> None:
        for name in ("plan", "wait", "cancel", "snapshot"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} must be true or false; got {getattr(self, name)!r}")
        if self.retry not in (None, "failed"):
            raise ConfigError(f"retry must be failed or null; got {self.retry!r}")
        if self.stale not in STALE:
            raise ConfigError(f"stale must be one of {', '.join(STALE)}; got {self.stale!r}")
        parallel = self.max_parallel
        if parallel is not None and (type(parallel) is not int or parallel < 1):
            raise ConfigError(f"max_parallel must be a positive whole number; got {parallel!r}")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "SweepOptions":
        """From a composed configuration. Raises ConfigError naming an option that cannot be."""
        return cls(**{name: config[name] for name in OPTION_NAMES if name in config})


OPTION_NAMES = tuple(field.name for field in fields(SweepOptions))


def options_of_one_run(
    config: Mapping[str, Any], *, sweep: object = None, launcher: object = None
) -> SweepOptions:
    """The options of `python -m vqx.train` without -m.

    `sweep` names the sweep file chosen, `launcher` the launcher if it is not the usual one.

    Raises ConfigError for what only a sweep does: else plan=true or cancel=true would train.
    """
    if sweep:
        raise ConfigError(
            f"+sweeps={sweep} is a sweep: give -m too, or write mode: MULTIRUN under hydra: in it"
        )
    if launcher:
        raise ConfigError(f"hydra/launcher={launcher} is for sweeps: give -m too, even for one run")
    given, usual = SweepOptions.from_config(config), SweepOptions()
    for name in OPTION_NAMES:
        value = getattr(given, name)
        if name != "objective" and value != getattr(usual, name):
            said = str(value).lower() if isinstance(value, bool) else value
            raise ConfigError(f"{name}={said} is for sweeps: give -m too, even for one run")
    return given


def without_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """A run's configuration: `config` without what only the sweep reads."""
    return {str(key): value for key, value in config.items() if key not in OPTION_NAMES}
