"""Curves of several seeds as one: mean and spread on a common grid.

Axes: S seeds, T points of the grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_MARKERS = 6  # on a line


@dataclass(frozen=True, slots=True)
class Curve:
    """One run's values `y` over `x`, both (T,), x rising without repeats."""

    x: Floats
    y: Floats


@dataclass(frozen=True, slots=True)
class Band:
    """Seeds folded on a grid `x` (T,): `n` (T,) that reach each point, their `mean` (T,), and `std`
    (T,), the sample standard deviation, NaN where fewer than two do; `seeds` there are in all."""

    x: Floats
    mean: Floats
    std: Floats
    n: NDArray[np.int64]
    seeds: int


def fold(curves: Sequence[Curve]) -> Band:
    """`curves` on the union of their grids: between own points linear, beyond own ends nothing."""
    grid = np.unique(np.concatenate([curve.x for curve in curves]))
    values = np.stack(
        [np.interp(grid, curve.x, curve.y, left=np.nan, right=np.nan) for curve in curves]
    )  # (S, T)
    there = np.isfinite(values)
    n = there.sum(0)
    if not n.all():  # a gap between a curve that ended and another's start
        grid, values, there, n = grid[n > 0], values[:, n > 0], there[:, n > 0], n[n > 0]
    mean = np.where(there, values, 0.0).sum(0) / n
    squares = np.where(there, (values - mean) ** 2, 0.0).sum(0)
    std = np.sqrt(squares / np.maximum(n - 1, 1))
    return Band(grid, mean, np.where(n >= 2, std, np.nan), n, len(curves))


def draw_band(
    axes: Any, band: Band, *, color: str, marker: str, linestyle: Any, stagger: int = 0
) -> Any:
    """The band's mean with its spread on `axes`; the line, for a legend.

    Thinner where not all seeds reach. About six markers, moved along by `stagger`, so that those
    of lines that run together stay apart.
    """
    spread = np.isfinite(band.std)
    if spread.any():
        low, high = band.mean - band.std, band.mean + band.std
        axes.fill_between(band.x, low, high, where=spread, color=color, alpha=0.16, linewidth=0)
    step = max(1, -(-len(band.x) // _MARKERS))
    start = min(stagger * step // _MARKERS % step, len(band.x) - 1)
    style = {"color": color, "marker": marker, "linestyle": linestyle, "markevery": (start, step)}
    whole = band.n == band.seeds
    (line,) = axes.plot(band.x, np.where(whole, band.mean, np.nan), markersize=3.8, **style)
    if not whole.all():
        # The last point of all seeds belongs to both: the line must not have a gap.
        partial = ~whole | ~np.append(whole[1:], True) | ~np.insert(whole[:-1], 0, True)
        axes.plot(
            band.x, np.where(partial, band.mean, np.nan), linewidth=0.6, markersize=3, **style
        )
    return line
