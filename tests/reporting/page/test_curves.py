"""Curves of a run, thinned."""

import json
import math
from itertools import pairwise

import pytest

from vqx.errors import VqxError
from vqx.reporting.page.curves import curves_of, read_lines, short, thinned


def line(step, *, kind="train", **values):
    return {"step": step, "images_seen": 32 * step, "kind": kind, "time": 36.0 * step, **values}


def write(path, lines, *, end=""):
    path.write_text("".join(json.dumps(one) + "\n" for one in lines) + end)
    return path


def test_lines_become_columns_by_kind(tmp_path):
    lines = [line(1, loss=0.5), line(2, loss=0.25), line(2, kind="evaluate", psnr=20.0)]
    found, damaged = read_lines(write(tmp_path / "metrics.jsonl", lines))
    curves = curves_of(found)
    assert damaged == 0
    assert list(curves) == ["train", "evaluate"]
    assert curves["train"]["step"] == [1, 2]
    assert curves["train"]["hours"] == [0.01, 0.02]
    assert curves["train"]["values"] == {"loss": [0.5, 0.25]}
    assert curves["evaluate"]["values"] == {"psnr": [20]}


def test_images_that_follow_from_steps_are_said_once():
    (curve,) = curves_of([line(1, loss=1), line(2, loss=1)]).values()
    assert curve["images_per_step"] == 32
    assert "images" not in curve
    odd = [line(1, loss=1), {**line(2, loss=1), "images_seen": 50}]
    (curve,) = curves_of(odd).values()
    assert curve["images"] == [32, 50]
    old = [{"step": 1, "kind": "train", "loss": 1}]
    (curve,) = curves_of(old).values()
    assert (curve["images"], curve["hours"]) == ([None], [None])


def test_what_is_not_finite_or_no_number_is_none():
    lines = [line(1, loss=math.nan, note="x"), line(2, loss=1.0), line(3, loss=True)]
    (curve,) = curves_of(lines).values()
    assert curve["values"] == {"loss": [None, 1, None]}


def test_a_torn_last_line_is_no_damage_and_others_are_counted(tmp_path):
    path = write(tmp_path / "metrics.jsonl", [line(1, loss=1)], end='not json\n[]\n{"step": 4')
    lines, damaged = read_lines(path)
    assert (len(lines), damaged) == (1, 2)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(VqxError, match=r"no metrics\.jsonl"):
        read_lines(tmp_path / "metrics.jsonl")


def test_thinned_lines_keep_the_first_the_last_and_the_spacing():
    lines = [line(step) for step in range(1, 5001)]
    steps = [one["step"] for one in thinned(lines, points=200)]
    assert (steps[0], steps[-1], len(steps)) == (1, 5000, 201)
    assert {b - a for a, b in pairwise(steps[1:])} == {25}


def test_seeds_that_stopped_at_the_same_step_keep_the_same_steps():
    gappy = [line(step) for step in range(1, 5001) if step != 777]
    whole = [line(step) for step in range(1, 5001)]
    kept = [[one["step"] for one in thinned(lines)] for lines in (whole, gappy)]
    assert kept[0] == kept[1]


def test_few_lines_are_kept_as_they_are():
    lines = [line(step) for step in (5, 3, 9)]
    assert thinned(lines) == lines


@pytest.mark.parametrize(
    ("value", "text"), [(0.123456789, "0.12346"), (25600.0, "25600"), (1e-9, "1e-09")]
)
def test_numbers_are_as_long_as_the_eye_needs(value, text):
    assert json.dumps(short(value, digits=5)) == text
