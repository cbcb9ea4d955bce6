"""Curves of runs that were resumed, damaged, or clocked anew."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reporting.pictures.made_up import frame_of, write_metrics
from tests.runs.synthetic import config_of, write_run
from vqx.reporting.frame import Frame
from vqx.reporting.pictures.lines import curve_of, lines_of, measure_of, metrics_in


def line(step: int, psnr: Any, *, time: float = 0.0, kind: str = "evaluate") -> dict[str, Any]:
    return {"step": step, "images_seen": 32 * step, "time": time, "kind": kind, "psnr": psnr}


def points(*lines: dict[str, Any], over: str = "steps") -> list[tuple[float, float]]:
    curve = curve_of(lines, "psnr", kind="evaluate", over=over)
    return [] if curve is None else list(zip(curve.x.tolist(), curve.y.tolist(), strict=True))


def test_steps_out_of_order_are_sorted_and_the_last_of_a_step_counts() -> None:
    lines = (line(100, 1.0), line(300, 3.0), line(200, 2.0), line(300, 4.0))
    assert points(*lines) == [(100, 1), (200, 2), (300, 4)]


@pytest.mark.parametrize(
    ("over", "x"), [("steps", [10, 20]), ("images", [320, 640]), ("hours", [1, 2])]
)
def test_three_axes(over: str, x: list[float]) -> None:
    lines = (line(10, 1.0, time=3600), line(20, 2.0, time=7200))
    assert points(*lines, over=over) == list(zip(x, [1.0, 2.0], strict=True))


def test_a_clock_that_starts_again_goes_on() -> None:
    times = (3600, 7200, 1800, 3600)
    lines = [line(10 * i, float(i), time=t) for i, t in enumerate(times, start=1)]
    assert [x for x, _ in points(*lines, over="hours")] == [1, 2, 2.5, 3]


def test_other_lines_and_what_is_no_number_are_left_out() -> None:
    odd = [float("nan"), float("inf"), None, "3", True]
    lines = [line(i, value) for i, value in enumerate(odd)]
    assert points(*lines, line(7, 5.0), line(8, 6.0, kind="train")) == [(7, 5)]
    assert points(*lines) == []


def test_a_metric_is_the_evaluations_unless_the_log_lines_are_meant(frame: Frame) -> None:
    found = lines_of(frame.rows)
    usage, logged = measure_of("usage", found), measure_of("train/usage", found)
    assert usage is not None
    assert logged is not None
    assert (usage.kind, usage.scale) == ("evaluate", 100)
    assert (logged.kind, logged.title) == ("train", "usage ↑ %, training")
    loss = measure_of("loss", found)
    assert loss is not None
    assert loss.kind == "train"
    assert measure_of("evaluate/loss", found) is None
    assert metrics_in(found) == ["evaluate/psnr", "evaluate/usage", "train/loss", "train/usage"]


def test_a_torn_end_is_no_damage_and_damage_is_said(tmp_path: Path) -> None:
    torn, broken = (write_run(tmp_path, config_of(kind)) for kind in ("ema", "fsq"))
    write_metrics(torn, [line(1, 1.0)])
    with (torn / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "psn')
    (broken / "metrics.jsonl").write_text('{"step": 1}\nnonsense\n{"step": 2}\n{"step": 3}\n')
    ours, theirs = lines_of(frame_of(tmp_path).rows)
    assert len(ours.lines[0][1]) == 1
    assert not theirs.lines
    assert "cannot be read" in theirs.omissions[0].reason


def test_values_are_floats() -> None:
    curve = curve_of([line(1, 2)], "psnr", kind="evaluate", over="steps")
    assert curve is not None
    assert curve.y.dtype == np.float64
