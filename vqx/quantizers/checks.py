"""Checks of a quantizer's arguments: one clear line naming the argument, its value, the remedy."""

from vqx.errors import ConfigError


def require_sizes(**sizes: int) -> None:
    """Raise ConfigError, naming it, unless each of `sizes` is a whole number of at least 1."""
    for name, size in sizes.items():
        if type(size) is not int or size < 1:
            raise ConfigError(f"{name} {size}: use a whole number of at least 1")


def require_weights(**weights: float) -> None:
    """Raise ConfigError, naming it, unless each of `weights` is 0 or more; NaN is not."""
    for name, weight in weights.items():
        if not weight >= 0:
            raise ConfigError(f"{name} {weight}: use 0 or more")


def require_positive(**numbers: float) -> None:
    """Raise ConfigError, naming it, unless each of `numbers` is more than 0; NaN is not."""
    for name, number in numbers.items():
        if not number > 0:
            raise ConfigError(f"{name} {number}: use a number above 0")


def weights_of_terms(commitment: float, *, beta_legacy: bool) -> tuple[float, float]:
    """Weight of the commitment and of the codebook term; `beta_legacy` puts beta on the latter."""
    require_weights(commitment=commitment)
    return (1.0, commitment) if beta_legacy else (commitment, 1.0)
