"""Points, bars and front of the rate-distortion picture."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reporting.pictures.made_up import configs, frame_of, made_up_frame, write_whole
from vqx.reporting.columns import columns_of
from vqx.reporting.frame import Frame
from vqx.reporting.pictures.pareto import pareto_picture
from vqx.reporting.pictures.picture import NothingToDraw, Picture
from vqx.reporting.published import Published

BY_KEY = {column.key: column for column in columns_of([])}
BITS, PSNR = BY_KEY["bits"], BY_KEY["psnr"]


def printed(row: str, **texts: str) -> Published:
    words = {"table": "t", "row": row, "label": row, "data": "x", "resolution": "64"}
    return Published(**words, downsampling="4", texts=texts, source="s", protocol=(), caveat=())


def points(picture: Picture) -> list[Any]:
    return [line for line in picture.figure.axes[0].lines if line.get_linestyle() == "None"]


def dots(picture: Picture) -> list[Any]:
    """Points without the caps of bars."""
    return [line for line in points(picture) if line.get_marker() not in ("_", "|")]


def front(picture: Picture) -> np.ndarray:
    lines = [x for x in picture.figure.axes[0].lines if x.get_zorder() == 1.5]
    return np.array(lines[0].get_xydata())


def test_a_point_is_a_rows_mean_with_bars_of_its_spread(frame: Frame) -> None:
    picture = pareto_picture(frame.rows, x=BITS, y=PSNR)
    axes = picture.figure.axes[0]
    for row, dot in zip(frame.rows, dots(picture), strict=False):
        values = [PSNR.value(result) for result in row.results]
        np.testing.assert_allclose(dot.get_ydata()[0], np.mean(values))
    assert len(dots(picture)) == len(axes.collections) == 3  # bars in y alone: bits have no spread
    low, high = axes.collections[0].get_segments()[0][:, 1]
    np.testing.assert_allclose(high - low, 2 * np.std(_psnr(frame), ddof=1))
    assert [t.get_text() for t in axes.texts] == [row.label for row in frame.rows[:3]]
    assert picture.notes[0].text == "without vq beta=64.0: no result (failed)"


def _psnr(frame: Frame) -> list[float]:
    return [PSNR.value(result) or 0.0 for result in frame.rows[0].results]


def test_spread_in_both_directions(frame: Frame) -> None:
    picture = pareto_picture(frame.rows, x=BY_KEY["perplexity"], y=PSNR)
    assert len(picture.figure.axes[0].collections) == 6


def test_one_seed_shows_no_bar(tmp_path: Path) -> None:
    frame = made_up_frame(tmp_path, rows=2, seeds=(0,))
    assert not pareto_picture(frame.rows, x=BITS, y=PSNR).figure.axes[0].collections


def test_the_front_honours_directions(frame: Frame) -> None:
    fsq, ema = ({r.label: i for i, r in enumerate(frame.rows)}[name] for name in ("fsq", "ema"))
    rows = [frame.rows[i] for i in (fsq, ema)]
    corners = front(pareto_picture(rows, x=BITS, y=PSNR))
    best = max(np.mean([PSNR.value(r) or 0 for r in row.results]) for row in rows)
    np.testing.assert_allclose(corners[:, 1].max(), best)
    lowest = front(pareto_picture(rows, x=PSNR, y=BY_KEY["lpips"]))
    np.testing.assert_allclose(lowest[:, 0].max(), best)


def test_what_is_not_discrete_is_hollow_and_never_on_the_front(tmp_path: Path) -> None:
    soft, hard = configs(2, seeds=(0,))
    write_whole(tmp_path, soft, discrete=False)
    write_whole(tmp_path, hard)
    frame = frame_of(tmp_path)
    picture = pareto_picture(frame.rows, x=BITS, y=PSNR)
    hollow = {
        row.label: dot.get_markerfacecolor() == "white"
        for row, dot in zip(frame.rows, dots(picture), strict=True)
    }
    assert hollow == {"fsq": True, "vq": False}
    assert front(picture)[:, 0].min() == 640  # that of vq: fsq's 638 bits are better, but soft
    assert "not discrete" in [t.get_text() for t in picture.figure.legends[0].get_texts()]


def test_published_rows_are_grey_and_those_without_a_number_named(frame: Frame) -> None:
    published = (printed("a/b", codes="1024", psnr="27.5"), printed("a/c", codes="1024"))
    picture = pareto_picture(frame.rows, x=BY_KEY["codes"], y=PSNR, published=published)
    last = dots(picture)[-1]
    assert (last.get_marker(), last.get_xdata()[0], last.get_ydata()[0]) == ("x", 1024, 27.5)
    assert "without published: a/c: no PSNR printed" in [note.text for note in picture.notes]
    assert front(picture)[:, 1].max() < 27.5


def test_a_metric_without_direction_has_no_front(frame: Frame) -> None:
    picture = pareto_picture(frame.rows, x=replace(PSNR, better=None), y=PSNR)
    assert any("no front: PSNR has no direction" in note.text for note in picture.notes)


def test_wide_ranges_are_logarithmic(tmp_path: Path) -> None:
    frame = made_up_frame(tmp_path, rows=9, seeds=(0,))
    axes = pareto_picture(frame.rows, x=BY_KEY["codes"], y=PSNR).figure.axes[0]
    assert axes.get_xscale() == "linear"  # 240 to 4096: 17 times
    wide = replace(BY_KEY["codes"], scale=1.0, plus=())
    rows = [r for r in frame.rows if "256" in r.label or "4096" in r.label]
    assert pareto_picture(rows, x=wide, y=PSNR).figure.axes[0].get_xscale() == "linear"


def test_nothing_is_an_error(frame: Frame) -> None:
    with pytest.raises(NothingToDraw, match=r"nothing to draw \(vq beta=64\.0: no result"):
        pareto_picture(frame.rows[-1:], x=BITS, y=PSNR)
