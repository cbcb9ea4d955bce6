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
    plane = _plane(entries, np.ones(len(entries)), as_used=False)
    places = len(np.unique(plane.places.round(4), axis=0))
    if places <= len(entries) / 2 and use.sum() > 0:
        return _plane(entries, use, as_used=True)
    return plane


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
