"""Entries of codebooks, small multiples."""

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reporting.pictures.made_up import configs, frame_of, write_codebook
from tests.runs.synthetic import write_run
from vqx.reporting.frame import Frame
from vqx.reporting.pictures.embeddings import UMAP_MISSING, embeddings_picture
from vqx.reporting.pictures.picture import NothingToDraw


@pytest.fixture(autouse=True)
def _no_umap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)  # as if it were not installed


def panels_of(figure: Any) -> list[Any]:
    return [axes for axes in figure.axes if axes.get_visible() and axes.get_title()]


def test_every_entry_is_a_point_used_ones_apart(frame: Frame) -> None:
    picture = embeddings_picture(frame.rows)
    panels = panels_of(picture.figure)
    for row, panel in zip(frame.rows, panels, strict=False):
        with np.load(row.runs[0].folder.path / "codebook.npz") as file:
            counts = file["counts"][0]
        unused, used = (len(points.get_offsets()) for points in panel.collections)
        assert (unused, used) == ((counts == 0).sum(), (counts > 0).sum())
        assert panel.get_title() == f"{row.label}\n{(counts > 0).mean():.0%} used"
    assert len(panels) == 3
    texts = [note.text for note in picture.notes]
    assert texts == ["without vq beta=64.0: no codebook.npz (failed)", "seed 0", UMAP_MISSING]


def test_colour_is_use_relative_to_even_use(tmp_path: Path) -> None:
    folder = write_run(tmp_path, configs(1)[0])
    entries = np.random.default_rng(0).normal(size=(1, 4, 3)).astype(np.float32)
    write_codebook(folder, np.array([[6, 1, 1, 0]]), entries)
    (panel,) = panels_of(embeddings_picture(frame_of(tmp_path).rows).figure)
    assert panel.collections[1].get_array().tolist() == [0.5, 0.5, 3.0]


def test_umap_stands_beside(monkeypatch: pytest.MonkeyPatch, frame: Frame) -> None:
    class Umap:
        def __init__(self, **options: Any) -> None:
            assert options["random_state"] == 0

        def fit_transform(self, entries: np.ndarray) -> np.ndarray:
            return entries[:, :2]

    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(UMAP=Umap))
    picture = embeddings_picture(frame.rows[:2])
    assert [p.get_title() for p in panels_of(picture.figure)][1::2] == ["UMAP", "UMAP"]
    assert UMAP_MISSING not in [note.text for note in picture.notes]


def test_what_is_not_all_is_said(tmp_path: Path) -> None:
    folder = write_run(tmp_path, configs(1)[0])
    entries = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    counts = np.ones((2, 8), dtype=np.int64)
    np.savez(folder / "codebook.npz", counts=counts, entries=entries, codes=np.arange(0, 8, 2))
    texts = [note.text for note in embeddings_picture(frame_of(tmp_path).rows).notes]
    assert "fsq: the first of several codebooks" in " ".join(texts)
    assert "evenly spaced" in " ".join(texts)


def test_nothing_is_an_error(frame: Frame) -> None:
    with pytest.raises(NothingToDraw):
        embeddings_picture(frame.rows[-1:])
