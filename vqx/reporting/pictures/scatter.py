"""Codebook entries as points on paper, without torch: colour by use, and UMAP where there is one.

Axes: K codes, D latent width.
"""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_UMAP = 2**14  # minutes beyond
FEWEST_UMAP = 8
COLORS = "plasma"
UNUSED = "#BBBBBB"


def find_umap() -> Any:
    """The class umap.UMAP, None where umap-learn is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from umap import UMAP  # type: ignore[import-not-found]
    except ImportError:
        return None
    return UMAP


def umap_neighbours(codes: int) -> int:
    """How many neighbours UMAP looks at among so many codes."""
    return min(15, codes - 1)


def umap_places(umap: Any, entries: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Places (K, 2) of `entries` (K, D) by the class `umap`, the same every time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a seed leaves it one thread
        neighbours = umap_neighbours(len(entries))
        flat = umap(n_components=2, n_neighbors=neighbours, random_state=0).fit_transform(entries)
    return np.asarray(flat, dtype=np.float64)


def scatter_codes(
    axes: Any,
    places: NDArray[np.float64],
    use: NDArray[Any],
    *,
    span: tuple[float, float],
    size: float | None = None,
    rasterized: bool = False,
) -> Any:
    """Points at `places` (K, 2), coloured by `use` (K,) on a logarithmic scale of `span`.

    Unused ones grey and below, the most used last. Returns what a colour bar needs, None where none
    is used.
    """
    from matplotlib.colors import LogNorm

    size = float(np.clip(9000 / len(places), 3, 45)) if size is None else size
    dead = use == 0
    axes.scatter(
        *places[dead].T, s=size * 0.7, c=UNUSED, linewidths=0, alpha=0.7, rasterized=rasterized
    )
    axes.spines[["top", "right"]].set_visible(False)
    order = np.argsort(use[~dead], kind="stable")
    if not len(order):
        return None
    return axes.scatter(
        *places[~dead][order].T,
        s=size,
        c=use[~dead][order],
        norm=LogNorm(vmin=span[0], vmax=span[1]),
        cmap=COLORS,
        linewidths=0,
        rasterized=rasterized,
    )
