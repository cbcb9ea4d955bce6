"""Shares of tokens by rank."""

from pathlib import Path

import numpy as np
import pytest

from tests.reporting.pictures.made_up import configs, frame_of, write_codebook
from tests.runs.synthetic import write_run
from vqx.reporting.frame import Frame
from vqx.reporting.pictures.codebook_file import Codebook
from vqx.reporting.pictures.histogram import histogram_picture, rank_grid, ranked
from vqx.reporting.pictures.picture import NothingToDraw


def test_shares_are_sorted_and_sum_to_one() -> None:
    curve = ranked(Codebook(np.array([[1, 0, 7, 2], [5, 0, 0, 5]]), None, None))
    assert curve.x.tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(curve.y, [0.6, 0.35, 0.05, 0.0])


def test_the_line_ends_with_the_used_codes(frame: Frame) -> None:
    (panel,) = histogram_picture(frame.rows).figure.axes
    assert panel.get_yscale() == "log"
    lines = [line for line in panel.lines if line.get_marker() != "None"]
    assert len(lines) == 3
    for row, line in zip(frame.rows, lines, strict=False):
        counts = [np.load(run.folder.path / "codebook.npz")["counts"] for run in row.runs]
        used = max((count > 0).sum() for count in counts)
        assert used * 0.98 <= line.get_xdata()[-1] <= used
        assert (line.get_ydata() > 0).all()


def test_even_use_is_at_one_over_k(frame: Frame) -> None:
    (panel,) = histogram_picture(frame.rows).figure.axes
    even = [line.get_ydata()[0] for line in panel.lines if line.get_marker() == "None"]
    assert sorted(even) == [1 / 1024, 1 / 1000]


def test_more_than_eight_rows_get_a_panel_each(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for config in configs(9, seeds=(0,)):
        write_codebook(write_run(tmp_path, config), rng.integers(0, 9, (1, 16)))
    frame = frame_of(tmp_path)
    panels = [p for p in histogram_picture(frame.rows).figure.axes if p.get_visible()]
    assert [panel.get_title() for panel in panels] == [row.label for row in frame.rows]
    assert all(len(panel.lines) == 10 for panel in panels)  # its own, 8 others, even use


@pytest.mark.parametrize("codes", [1, 240, 241, 2**18])
def test_ranks_reach_both_ends(codes: int) -> None:
    ranks = rank_grid(codes)
    assert ranks[0] == 1
    assert ranks[-1] == codes
    assert len(ranks) <= 241
    assert (np.diff(ranks) > 0).all()


def test_nothing_is_an_error(frame: Frame) -> None:
    with pytest.raises(NothingToDraw, match=r"no codebook\.npz"):
        histogram_picture(frame.rows[-1:])
