"""Lengths of time in training: optimizer steps, or text like "2 epochs"."""

import re

from vqx.errors import ConfigError

# A number of optimizer steps, or "3 epochs".
Duration = int | str


def steps_in(duration: Duration, *, name: str, steps_per_epoch: float | None) -> int:
    """Optimizer steps in `duration`, at least 1.

    `steps_per_epoch` None: nobody has said how long an epoch is. Raises ConfigError, naming `name`,
    for anything that is not a positive number of either, and for epochs of unknown length.
    """
    if type(duration) is int and duration >= 1:
        return duration
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*epochs?\s*", str(duration))
    if not match or float(match[1]) <= 0:
        raise ConfigError(f"{name} must be steps or like '2 epochs'; got {duration!r}")
    if steps_per_epoch is None:
        raise ConfigError(f"{name}={duration!r}: call set_epoch_length() first, or give steps")
    return max(1, round(float(match[1]) * steps_per_epoch))
