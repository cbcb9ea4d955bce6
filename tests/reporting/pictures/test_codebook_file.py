"""Codebooks as runs leave them, and as damage, age and strangers do."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reporting.pictures.made_up import frame_of, write_codebook
from tests.runs.synthetic import config_of, write_run
from vqx.reporting.frame import Frame
from vqx.reporting.pictures.codebook_file import Codebook, codebooks_of, read_codebook

COUNTS = np.array([[3, 0, 1]])
ENTRIES = np.zeros((1, 3, 2), dtype=np.float32)


def read(tmp_path: Path, **arrays: Any) -> Codebook | str:
    folder = write_run(tmp_path, config_of())
    if arrays:
        np.savez(folder / "codebook.npz", **arrays)
    return read_codebook(frame_of(tmp_path).runs[0])


def test_counts_and_entries(tmp_path: Path) -> None:
    book = read(tmp_path, counts=COUNTS, entries=ENTRIES, codes=np.arange(3))
    assert isinstance(book, Codebook)
    assert book.counts is not None
    assert book.counts.tolist() == COUNTS.tolist()
    assert book.entries is not None
    assert book.entries.shape == (1, 3, 2)


def test_an_older_run_has_none(tmp_path: Path) -> None:
    assert read(tmp_path) == "no codebook.npz (a run of an older version)"


@pytest.mark.parametrize(
    "arrays",
    [
        {"counts": np.array([1, 2])},
        {"counts": np.array([[-1, 2]])},
        {"counts": np.array([[0.5, 2]])},
        {"counts": np.zeros((1, 0), dtype=int)},
        {"counts": COUNTS, "entries": ENTRIES},
        {"counts": COUNTS, "entries": ENTRIES, "codes": np.arange(2)},
        {"counts": COUNTS, "entries": ENTRIES, "codes": np.array([0, 1, 3])},
        {"counts": COUNTS, "entries": ENTRIES, "codes": np.array([0, 1, -1])},
        {"counts": COUNTS, "entries": ENTRIES[0], "codes": np.arange(3)},
    ],
)
def test_damage_is_said(tmp_path: Path, arrays: dict[str, Any]) -> None:
    assert str(read(tmp_path, **arrays)).startswith("codebook.npz is damaged")


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04torn"])
def test_no_npz_is_said(tmp_path: Path, content: bytes) -> None:
    folder = write_run(tmp_path, config_of())
    (folder / "codebook.npz").write_bytes(content)
    assert "is damaged (" in str(read_codebook(frame_of(tmp_path).runs[0]))


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    found = read(tmp_path, counts=np.array([[{}]], dtype=object))
    assert "is damaged (" in str(found)


def test_rows_keep_their_place_and_their_readable_seeds(tmp_path: Path) -> None:
    for seed in (0, 1):
        folder = write_run(tmp_path, config_of("vq", seed=seed))
        if seed:
            write_codebook(folder, COUNTS)
    write_run(tmp_path, config_of("ema"))
    found, omissions = codebooks_of(frame_of(tmp_path).rows, needs="counts")
    assert [(one.index, len(one.codebooks)) for one in found] == [(1, 1)]
    assert [o.label for o in omissions] == ["ema", "vq seed 0"]


@pytest.mark.parametrize(
    ("arrays", "needs", "reason"),
    [
        ({"bit_entropies": np.zeros((1, 20))}, "counts", "too many codes to count each"),
        ({"counts": np.zeros((1, 4), dtype=int)}, "counts", "no token was counted"),
        ({"counts": COUNTS}, "entries", "no entries in codebook.npz"),
    ],
)
def test_what_a_picture_needs(
    tmp_path: Path, arrays: dict[str, Any], needs: str, reason: str
) -> None:
    np.savez(write_run(tmp_path, config_of()) / "codebook.npz", **arrays)
    found, omissions = codebooks_of(frame_of(tmp_path).rows, needs=needs)
    assert not found
    assert omissions[0].reason == reason


def test_a_failed_run_says_its_state(frame: Frame) -> None:
    run = replace(frame.rows[-1].runs[0], result=None)
    assert read_codebook(run) == "no codebook.npz (failed)"
