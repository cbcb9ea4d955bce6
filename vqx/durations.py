"""Lengths of time in training: optimizer steps, or text like "2 epochs" or "30%"."""

import re

from vqx.errors import ConfigError

# A number of optimizer steps, or "3 epochs", or "30%" of the run.
Duration = int | str


def steps_in(
    duration: Duration, *, name: str, steps_per_epoch: float | None, run: int | None = None
) -> int:
    """Optimizer steps in `duration`, at least 1.

    `steps_per_epoch` and the `run`'s steps are None where nobody has said how long they are. Raises
    ConfigError, naming `name`, for anything that is not a positive number of steps, epochs or
    per cent, and for a part of something of unknown length.
    """
    if type(duration) is int and duration >= 1:
        return duration
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(epochs?|%)\s*", str(duration))
    if not match or float(match[1]) <= 0:
        raise ConfigError(f"{name} must be steps or like '2 epochs'; got {duration!r}")
    whole, part = (steps_per_epoch, 1.0) if match[2] != "%" else (run, 0.01)
    if whole is None:
        raise ConfigError(f"{name}={duration!r}: call set_epoch_length() first, or give steps")
    return max(1, round(float(match[1]) * part * whole))
