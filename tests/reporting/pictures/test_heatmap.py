"""The heat map as drawn."""

from pathlib import Path
from typing import Any

import pytest

from tests.reporting.pictures.test_heat_data import grid
from vqx.errors import ConfigError
from vqx.reporting.frame import Frame
from vqx.reporting.pictures.heatmap import heatmap_picture
from vqx.reporting.pictures.picture import NothingToDraw

CELLS = ((0.25, 256, 20.0), (0.25, 1024, 24.0), (1.0, 256, 22.0))


def texts(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_two_keys_write_the_metric_into_cells_and_hatch_what_is_missing(tmp_path: Path) -> None:
    frame = grid(tmp_path, *CELLS)
    picture = heatmap_picture(frame.rows, keys=("quantizer.beta", "codebook_size"))
    (axes,) = picture.figure.axes
    assert texts(picture.figure)[:3] == ["20.00", "24.00", "22.00"]
    assert "hatched: missing" in texts(picture.figure)[3]
    assert [patch.get_hatch() for patch in axes.patches] == [None, None, None, "////"]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("quantizer.beta", "codebook_size")
    assert "no run of this" in picture.notes[0].text


def test_a_third_word_is_the_metric_of_two_keys(tmp_path: Path) -> None:
    frame = grid(tmp_path, *CELLS)
    words = ("quantizer.beta", "codebook_size", "ssim")
    assert texts(heatmap_picture(frame.rows, keys=words).figure)[0] == "0.710"


def test_metrics_by_name_and_all_usual_ones(tmp_path: Path) -> None:
    frame = grid(tmp_path, *CELLS)
    (axes,) = heatmap_picture(frame.rows, keys=("codebook_size", "psnr", "lpips")).figure.axes
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["PSNR\n↑ dB", "LPIPS\n↓"]
    (axes,) = heatmap_picture(frame.rows).figure.axes
    assert len(axes.get_xticklabels()) == 8


def test_mistakes_are_named(frame: Frame, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no run's configuration has it"):
        heatmap_picture(frame.rows, keys=("colour",))
    with pytest.raises(ConfigError, match="no column 'colour'"):
        heatmap_picture(frame.rows, keys=("quantizer", "colour"))
    rows = grid(tmp_path, *CELLS).rows
    with pytest.raises(ConfigError, match="one other key"):
        heatmap_picture(rows, keys=("quantizer.beta", "psnr", "codebook_size"))
    with pytest.raises(NothingToDraw, match="no key of the configuration varies"):
        heatmap_picture(frame.rows[:1])
    with pytest.raises(NothingToDraw, match="no result"):
        heatmap_picture(frame.rows[-1:], keys=("quantizer.beta",))


@pytest.mark.parametrize(("width", "parts"), [("full", 1), ("column", 2)])
def test_columns_that_do_not_fit_go_below(tmp_path: Path, width: str, parts: int) -> None:
    figure = heatmap_picture(grid(tmp_path, *CELLS).rows, width=width).figure
    assert len(figure.axes) == parts
    assert sum(len(axes.get_xticks()) for axes in figure.axes) == 8
    figure.draw_without_rendering()
    for axes in figure.axes:
        cell = axes.get_window_extent().width / len(axes.get_xticks())
        written = [text for text in axes.texts if text.get_va() == "center"]
        assert max(text.get_window_extent().width for text in written) <= cell
