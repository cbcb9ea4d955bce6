"""The plot of a codebook's entries: used and unused ones, several codebooks, too many codes."""

import sys
import types

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from vqx.quantizers import FSQ, LFQ, VQ, Residual
from vqx.seeing.embeddings import UMAP_MISSING, plot_embeddings, used


@pytest.fixture
def figures(monkeypatch):
    """Figures as they are saved."""
    saved = []
    real = Figure.savefig

    def savefig(self, *arguments, **options):
        saved.append(self)
        real(self, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", savefig)
    monkeypatch.setitem(sys.modules, "umap", None)  # as if it were not installed
    return saved


def scattered(figure):
    """(places, counts) of each scatter plot of each panel; the colour bar has none."""
    return [
        [(c.get_offsets(), c.get_array()) for c in axes.collections if len(c.get_offsets()) > 0]
        for axes in figure.axes
        if axes.get_title()
    ]


def test_used_codes_have_their_count_and_unused_ones_none(figures, tmp_path):
    counts = torch.zeros(1, 50, dtype=torch.int64)
    counts[0, 10:40] = torch.arange(1, 31)
    notes = plot_embeddings(VQ(50, 6), counts, tmp_path / "e.png", images="3 images")
    assert notes == [UMAP_MISSING]
    (((unused, _), (_, colours)),) = scattered(figures[0])
    assert len(unused) == 20
    assert sorted(colours) == list(range(1, 31))
    assert "50 codes, 30 used" in figures[0].axes[0].get_title()
    with Image.open(tmp_path / "e.png") as picture:
        assert picture.width > 800


def test_a_grid_is_not_folded_onto_its_own_axes(figures, tmp_path):
    counts = torch.randint(1, 50, (1, 1000))
    plot_embeddings(FSQ([8, 5, 5, 5]), counts, tmp_path / "e.png", images="x")
    (((places, _),),) = scattered(figures[0])
    assert len(np.unique(np.round(places, 4), axis=0)) > 500


def test_a_row_for_each_codebook_and_umap_beside_it(figures, tmp_path, monkeypatch):
    class Umap:
        def __init__(self, **options):
            assert options["random_state"] == 0

        def fit_transform(self, rows):
            return rows[:, :2]

    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(UMAP=Umap))
    quantizer = Residual(VQ(20, 5, init="normal"), 6)
    counts = torch.randint(3, (6, 20))
    notes = plot_embeddings(quantizer, counts, tmp_path / "e.png", images="x")
    assert notes == ["embeddings.png: the first 4 of 6 codebooks"]
    panels = scattered(figures[0])
    assert len(panels) == 8
    points = [sum(len(places) for places, _ in panel) for panel in panels]
    assert points == [20] * 8


def test_odd_codebooks_are_drawn(figures, tmp_path):
    for quantizer in (FSQ([7]), VQ(1, 3)):
        counts = torch.zeros(1, quantizer.codebook_size, dtype=torch.int64)
        plot_embeddings(quantizer, counts, tmp_path / "e.png", images="x")
    assert len(figures) == 2


def test_too_many_codes_are_said_not_drawn(figures, tmp_path):
    notes = plot_embeddings(LFQ(18), None, tmp_path / "e.png", images="x")
    assert "no embeddings.png: of 262,144 codes" in notes[0]
    assert not (tmp_path / "e.png").exists()


def test_use_is_counted_codebook_by_codebook():
    codes = torch.tensor([[[0, 2], [0, -1]], [[1, 2], [0, 0]]])
    counts = used(codes, codebook_size=3, codebooks=2)
    assert counts.tolist() == [[3, 1, 0], [1, 0, 2]]
    assert used(codes[..., 0], codebook_size=3, codebooks=1).tolist() == [[3, 1, 0]]
