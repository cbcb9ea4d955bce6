"""Lines in the picture are the numbers in metrics.jsonl."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.reporting.pictures.made_up import configs, frame_of, write_metrics, write_whole
from vqx.errors import ConfigError
from vqx.reporting.frame import Frame, Row
from vqx.reporting.pictures.curves import curves_picture
from vqx.reporting.pictures.picture import NothingToDraw


def evaluated(row: Row, key: str) -> tuple[list[int], np.ndarray]:
    """Steps, and values (S, T)."""
    texts = [(run.folder.path / "metrics.jsonl").read_text() for run in row.runs]
    lines = [[json.loads(line) for line in text.splitlines()] for text in texts]
    kept = [[line for line in one if line["kind"] == "evaluate"] for one in lines]
    return [line["step"] for line in kept[0]], np.array([[x[key] for x in one] for one in kept])


def test_each_line_is_a_rows_mean_with_a_band(frame: Frame) -> None:
    picture = curves_picture(frame.rows, metrics=["psnr"])
    (panel,) = picture.figure.axes
    assert len(panel.lines) == len(panel.collections) == 3
    for row, line in zip(frame.rows, panel.lines, strict=False):
        steps, values = evaluated(row, "psnr")
        assert line.get_xdata().tolist() == steps
        np.testing.assert_allclose(line.get_ydata(), values.mean(0))
    steps, values = evaluated(frame.rows[0], "psnr")
    band = panel.collections[0].get_paths()[0].vertices
    np.testing.assert_allclose(band[:, 1].max(), (values.mean(0) + values.std(0, ddof=1)).max())
    assert [note.text for note in picture.notes] == [
        "without vq beta=64.0: no lines in metrics.jsonl (failed)"
    ]


def test_percent_metrics_are_scaled_and_panels_are_in_order(frame: Frame) -> None:
    figure = curves_picture(frame.rows, metrics=["train/loss", "usage"], over="hours").figure
    first, second = figure.axes
    assert (first.get_ylabel(), second.get_ylabel()) == ("loss, training", "usage ↑ %")
    assert first.get_xlabel() == "hours of training"
    assert max(np.nanmax(line.get_ydata()) for line in second.lines) > 10


def test_the_legend_names_rows_from_the_highest_end(frame: Frame) -> None:
    figure = curves_picture(frame.rows, metrics=["psnr"]).figure
    ends = {row.label: evaluated(row, "psnr")[1].mean(0)[-1] for row in frame.rows[:3]}
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert named == sorted(ends, key=lambda label: -ends[label])


def test_runs_with_one_evaluation_show_their_training(tmp_path: Path) -> None:
    for config in configs(2, seeds=(0,)):
        folder = write_whole(tmp_path, config)
        text = (folder / "metrics.jsonl").read_text().splitlines()
        lines = [json.loads(line) for line in text]
        write_metrics(folder, [x for x in lines if x["kind"] == "train" or x["step"] == 800])
    frame = frame_of(tmp_path)
    picture = curves_picture(frame.rows)
    assert picture.figure.axes[0].get_ylabel() == "loss, training"
    assert picture.notes[-1].text.startswith("runs were evaluated once: loss")
    asked = curves_picture(frame.rows, metrics=["psnr"])
    assert [line.get_xdata().tolist() for line in asked.figure.axes[0].lines] == [[800], [800]]


def test_a_seed_that_stops_early_is_named_and_not_carried_on(tmp_path: Path) -> None:
    for config in configs(1, seeds=(0, 1)):
        folder = write_whole(tmp_path, config)
    lines = [{"step": s, "kind": "evaluate", "psnr": 1.0 * s} for s in (100, 200)]
    write_metrics(folder, lines)
    picture = curves_picture(frame_of(tmp_path).rows)
    assert "seed 1 of fsq: ends at 200 of 800 steps (done)" in picture.notes[0].text
    whole, _ = picture.figure.axes[0].lines
    assert np.isfinite(whole.get_ydata()).sum() == 2


def test_one_seed_is_a_plain_line(tmp_path: Path) -> None:
    write_whole(tmp_path, configs(1)[0])
    (panel,) = curves_picture(frame_of(tmp_path).rows).figure.axes
    assert len(panel.lines) == 1
    assert not panel.collections


def test_an_unknown_metric_is_an_error_with_what_there_is(frame: Frame) -> None:
    with pytest.raises(ConfigError, match="evaluate/psnr, evaluate/usage, train/loss"):
        curves_picture(frame.rows, metrics=["ssim"])


def test_no_lines_at_all_is_an_error(frame: Frame) -> None:
    with pytest.raises(NothingToDraw, match="no lines in metrics"):
        curves_picture(frame.rows[-1:])
    with pytest.raises(NothingToDraw, match="no rows"):
        curves_picture([])
