"""Usage over training and over tokens."""

from pathlib import Path

import numpy as np
import pytest

from tests.reporting.pictures.made_up import (
    code_counts,
    configs,
    frame_of,
    write_codebook,
    write_whole,
)
from vqx.reporting.frame import Frame
from vqx.reporting.pictures.codebook_file import Codebook
from vqx.reporting.pictures.picture import NothingToDraw
from vqx.reporting.pictures.rarefaction import expected_usage
from vqx.reporting.pictures.usage import seen_curve, usage_picture


def test_the_curve_over_tokens_ends_at_the_final_usage(frame: Frame) -> None:
    _, panel = usage_picture(frame.rows).figure.axes
    assert panel.get_xscale() == "log"
    for row, line in zip(frame.rows[:3], panel.lines, strict=False):
        usage = [result["metrics"]["usage"]["value"] for result in row.results]
        np.testing.assert_allclose(line.get_ydata()[-1], np.mean(usage))


def test_several_codebooks_are_averaged() -> None:
    rng = np.random.default_rng(0)
    counts = np.concatenate([code_counts(rng, 64, slope=1.0, alive=a) for a in (0.5, 1.0)])
    curve = seen_curve(Codebook(counts, None, None))
    n = curve.x.astype(np.int64)
    each = [expected_usage(one, n) for one in counts]
    np.testing.assert_allclose(curve.y, np.mean(each, axis=0))
    np.testing.assert_allclose(curve.y[-1], (counts > 0).mean())


def test_an_older_run_keeps_its_curve_over_training(tmp_path: Path) -> None:
    for config in configs(2, seeds=(0,)):
        folder = write_whole(tmp_path, config)
    (folder / "codebook.npz").unlink()
    picture = usage_picture(frame_of(tmp_path).rows)
    trained, seen = picture.figure.axes
    assert len(trained.lines) == 2
    assert len([line for line in seen.lines if line.get_marker() != "None"]) == 1
    assert "older version" in picture.notes[0].text


def test_one_panel_alone(tmp_path: Path) -> None:
    folder = write_whole(tmp_path, configs(1)[0])
    (folder / "metrics.jsonl").unlink()
    picture = usage_picture(frame_of(tmp_path).rows)
    assert len(picture.figure.axes) == 1
    write_codebook(folder, np.zeros((1, 4), dtype=np.int64))
    with pytest.raises(NothingToDraw, match="no token was counted"):
        usage_picture(frame_of(tmp_path).rows)


def test_even_use_of_close_sizes_is_drawn_once(frame: Frame) -> None:
    texts = [t.get_text() for t in usage_picture(frame.rows).figure.legends[0].get_texts()]
    assert texts[3:] == ["even use of 1,024 codes"]  # 1,000 of fsq are as good as these
