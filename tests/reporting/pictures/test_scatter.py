"""Points of a codebook's entries: unused ones grey and below, the most used on top."""

import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from vqx.reporting.pictures.scatter import (
    UNUSED,
    find_umap,
    scatter_codes,
    umap_neighbours,
    umap_places,
)

PLACES = np.arange(8.0).reshape(4, 2)


def test_unused_are_grey_and_the_most_used_come_last() -> None:
    axes = Figure().subplots()
    drawn = scatter_codes(axes, PLACES, np.array([5, 0, 9, 1]), span=(1, 9))
    dead, used = axes.collections
    assert dead.get_offsets().tolist() == [[2, 3]]
    assert dead.get_facecolor()[0][:3].tolist() == list(to_rgba(UNUSED)[:3])
    assert used.get_offsets().tolist() == [[6, 7], [0, 1], [4, 5]]
    assert used is drawn


def test_none_used_has_nothing_for_a_colour_bar() -> None:
    axes = Figure().subplots()
    assert scatter_codes(axes, PLACES, np.zeros(4), span=(1, 2)) is None


def test_umap_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    assert find_umap() is None


def test_umap_is_seeded_and_asks_for_no_more_neighbours_than_there_are() -> None:
    class Umap:
        def __init__(self, *, n_components: int, n_neighbors: int, random_state: int) -> None:
            self.asked = (n_components, n_neighbors, random_state)

        def fit_transform(self, entries: np.ndarray) -> np.ndarray:
            assert self.asked == (2, 3, 0)
            return entries[:, :2].astype(np.float32)

    assert umap_places(Umap, PLACES).dtype == np.float64
    assert umap_neighbours(1000) == 15
