"""Principal axes of a codebook's entries, in NumPy.

Axes: K entries, D latent width.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Plane:
    """Places (K, 2) on the two first principal axes, and their shares of all variance, in [0, 1];
    `as_used`: entries weighed by how often they are used."""

    places: Floats
    shares: tuple[float, float]
    as_used: bool = False


def principal_plane(entries: Floats, use: Floats) -> Plane:
    """The plane that `entries` (K, D) vary most in; a single channel has no second axis.

    A grid, as FSQ's, has many codes at one place of its own axes: there each code weighs as often
    as it is used (K,), which turns the axes.
    """
    weights = use if use.sum() > 0 and is_grid(entries) else np.ones(len(entries))
    return _plane(entries, weights, as_used=weights is use)


def is_grid(entries: Floats) -> bool:
    """Whether `entries` (K, D) are all, or half, of the combinations of a few values a channel."""
    combinations = 1
    for channel in entries.T:
        combinations *= len(np.unique(channel.round(4)))
    return combinations <= 2 * len(entries)


def _plane(entries: Floats, weights: Floats, *, as_used: bool) -> Plane:
    weights = weights / weights.sum()
    centred = entries - weights @ entries
    variances, vectors = np.linalg.eigh((centred * weights[:, None]).T @ centred)
    variances, axes = np.clip(variances[::-1], 0, None), vectors[:, ::-1][:, :2]  # (D,), (D, 2)
    # The largest part of each direction is positive: the same picture every time.
    signs = np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    places = centred @ (axes * signs)
    places = np.pad(places, ((0, 0), (0, 2 - places.shape[1])))
    shares = np.pad(variances, (0, 2))[:2] / max(float(variances.sum()), 1e-300)
    return Plane(places, (float(shares[0]), float(shares[1])), as_used)
