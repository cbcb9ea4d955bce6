"""Checks of the sizes that a model is built with."""

from vqx.errors import ConfigError


def require_whole(**sizes: int) -> None:
    """Raise ConfigError naming the first of `sizes` that is no whole number of at least 1."""
    for name, size in sizes.items():
        if type(size) is not int or size < 1:
            raise ConfigError(f"model.{name} must be a whole number of at least 1; got {size!r}")


def require_switch(**switches: bool | None) -> None:
    """Raise ConfigError naming the first of `switches` that is neither true, false nor null."""
    for name, value in switches.items():
        if value is not None and type(value) is not bool:
            raise ConfigError(f"model.{name} must be true, false or null; got {value!r}")


def halvings(downsampling: int) -> int:
    """How often the image's side is halved: log2 of `downsampling`.

    Raises ConfigError for a downsampling that is no power of two from 2 on.
    """
    if type(downsampling) is not int or downsampling < 2 or downsampling & (downsampling - 1):
        raise ConfigError(f"model.downsampling must be 2, 4, 8, ...; got {downsampling!r}")
    return downsampling.bit_length() - 1
