"""The options of `vqx.evaluate` that are no overrides of a run's configuration."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from vqx.errors import ConfigError

_NAMES = ("images", "out", "codes", "tile", "plots", "allow")


@dataclass(frozen=True, slots=True)
class Options:
    """What `images=... out=... codes=... tile=... plots=... allow=...` say; `tile` in pixels."""

    images: str | None
    out: Path | None
    codes: bool
    tile: int | None
    plots: bool
    allow: tuple[str, ...]

    @classmethod
    def read(cls, texts: Sequence[str]) -> tuple[Self, list[str]]:
        """The options among `texts`, and the rest. Raises ConfigError for a wrong one."""
        given = {
            key: value for key, _, value in (text.partition("=") for text in texts) if key in _NAMES
        }
        for key, value in given.items():
            if not value:
                raise ConfigError(f"{key}= has no value: see python -m vqx.evaluate --help")
        images, out = given.get("images"), given.get("out")
        options = cls(
            images=images,
            out=Path(out).expanduser() if out else None,
            codes=_truth(given, "codes"),
            tile=_pixels(given),
            plots=_truth(given, "plots"),
            allow=tuple(name for name in given.get("allow", "").split(",") if name),
        )
        idle = ("codes", "tile") if options.plots else ("codes", "tile", "out")
        for key in idle:
            if images is None and key in given:
                raise ConfigError(f"{key}={given[key]} needs images=FOLDER_OR_FILES")
        return options, [text for text in texts if text.partition("=")[0] not in _NAMES]


def _truth(given: dict[str, str], name: str) -> bool:
    value = given.get(name, "false").lower()
    if value not in ("true", "false"):
        raise ConfigError(f"{name}={value}: use true or false")
    return value == "true"


def _pixels(given: dict[str, str]) -> int | None:
    value = given.get("tile")
    if value is not None and not value.isdecimal():
        raise ConfigError(f"tile={value}: use a number of pixels, like tile=1024")
    return None if value is None else int(value)
