"""How the numbers of two runs differ."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.runs.synthetic import config_of, result_of, write_run
from vqx.reporting.metric_differences import Metrics, NumberPair, cost_pairs, metric_pairs
from vqx.reporting.statistics import mean_interval
from vqx.reporting.two_runs import read_folder
from vqx.runs.reading import Run
from vqx.runs.status import State

DIGEST = "d1"


def _run(folder: Path, seed: int, *, psnr: float = 25.0, **metrics: Any) -> Run:
    config = config_of("fsq", seed=seed)
    result = result_of(config, psnr=psnr)
    for key, change in metrics.items():
        entry = {"stamp": "s", "better": "higher", **result["metrics"].get(key, {})}
        result["metrics"][key] = {**entry, **change}
    return read_folder(write_run(folder, config, result=result))


def _images(run: Run, digest: str = DIGEST, **values: list[float]) -> None:
    arrays = {key: np.array(value, "f4") for key, value in values.items()}
    np.savez(run.folder.per_image, images=np.array(digest), **arrays)


def _pair(metrics: Metrics, title: str) -> NumberPair:
    return next(pair for pair in metrics.pairs if pair.header.startswith(title))


def test_differences_go_by_the_metrics_own_direction_and_unit(tmp_path: Path) -> None:
    a = _run(tmp_path, 0, usage={"value": 0.5}, none={"value": 1.0, "better": None})
    b = _run(tmp_path, 1, psnr=26.0, usage={"value": 0.25}, none={"value": 3.0, "better": None})
    found = metric_pairs(a, b)
    assert _pair(found, "PSNR") == NumberPair("PSNR ↑ dB", "25.00", "26.00", "+1.00", "better")
    assert _pair(found, "usage") == NumberPair("usage ↑ %", "50.0", "25.0", "-25.0", "worse")
    assert _pair(found, "LPIPS").verdict == "better"
    assert _pair(found, "LPIPS").difference == "-0.013"
    assert _pair(found, "none").verdict == ""
    assert found.alike.startswith("protocols of all metrics, the images by their names")


def test_small_differences_keep_two_digits_and_equal_numbers_have_none(tmp_path: Path) -> None:
    a = _run(tmp_path, 0, ssim={"value": 0.5}, l1={"value": 0.25})
    b = _run(tmp_path, 1, ssim={"value": 0.500012}, l1={"value": 0.25})
    found = metric_pairs(a, b)
    assert _pair(found, "SSIM").difference == "+1.2e-05"
    assert (_pair(found, "L1").difference, _pair(found, "L1").verdict) == ("0", "equal")


def test_no_difference_between_other_protocols(tmp_path: Path) -> None:
    a = _run(tmp_path, 0, psnr=25.0)
    config = config_of("fsq", seed=1)
    result = result_of(config)
    result["metrics"]["psnr"]["stamp"] = "of the whole set"
    b = read_folder(write_run(tmp_path, config, result=result))
    for run in (a, b):
        _images(run, psnr=[1.0, 2.0, 3.0], ssim=[1.0, 2.0, 3.0])
    found = metric_pairs(a, b)
    pair = _pair(found, "PSNR")
    assert (pair.difference, pair.verdict, pair.paired) == ("", "not comparable", "")
    assert _pair(found, "SSIM").paired
    (remark,) = found.remarks
    assert remark[0] == "PSNR"
    assert remark[1].startswith("A: per image then mean, ")
    assert remark[1].endswith("; B: of the whole set")
    assert found.alike == ""


def test_no_difference_on_other_images(tmp_path: Path) -> None:
    a, b = _run(tmp_path, 0), _run(tmp_path, 1)
    _images(a, psnr=[1.0, 2.0])
    _images(b, digest="other", psnr=[1.0, 2.0])
    found = metric_pairs(a, b)
    assert {pair.verdict for pair in found.pairs} == {"not comparable"}
    assert found.images == 0
    assert "other ones under one name" in found.remarks[0][1]

    config = config_of("fsq", seed=2)
    result = result_of(config)
    result["data"]["description"] = "others"
    found = metric_pairs(a, read_folder(write_run(tmp_path, config, result=result)))
    assert {pair.verdict for pair in found.pairs} == {"not comparable"}
    assert found.remarks[0] == ("images", "A: images unknown; B: others")


def test_images_are_paired(tmp_path: Path) -> None:
    a, b = _run(tmp_path, 0), _run(tmp_path, 1)
    first, second = [20.0, 25.0, 30.0, 33.0], [20.5, 25.25, 30.5, 33.25]
    _images(a, psnr=first, l1=first, extra=first)
    _images(b, psnr=second, l1=first)
    found = metric_pairs(a, b)
    interval = mean_interval([y - x for x, y in zip(first, second, strict=True)])
    assert interval is not None
    pair = _pair(found, "PSNR")
    low, high = (f"+{value:.2f}" for value in (interval.low, interval.high))
    assert pair.paired == f"+{interval.mean:.2f} [{low}, {high}]"
    assert pair.sure
    assert _pair(found, "L1").paired == "equal in each"
    assert not _pair(found, "L1").sure
    assert found.images == 4
    assert "the 4 images by their content" in found.alike


def test_intervals_that_hold_zero_are_not_sure(tmp_path: Path) -> None:
    a, b = _run(tmp_path, 0), _run(tmp_path, 1)
    _images(a, psnr=[20.0, 25.0, 30.0])
    _images(b, psnr=[21.0, 24.0, 30.5])
    assert not _pair(metric_pairs(a, b), "PSNR").sure


def test_what_one_run_lacks_is_explained(tmp_path: Path) -> None:
    a = _run(tmp_path, 0)
    b = _run(tmp_path, 1, rfid={"value": 9.0, "better": "lower"}, new={"value": 1.0})
    found = metric_pairs(a, b)
    assert _pair(found, "rFID") == NumberPair("rFID ↓", "-", "9.0")
    remarks = dict(found.remarks)
    assert remarks["rFID"].startswith("missing in A: no weights of the FID Inception")
    assert remarks["new"] == "missing in A: not measured by this run"
    assert remarks["per image"] == "not compared: A has no per_image.npz, B has no per_image.npz"


def test_a_run_without_result_has_no_metrics(tmp_path: Path) -> None:
    a = _run(tmp_path, 0)
    b = read_folder(write_run(tmp_path, config_of("vq"), state=State.FAILED))
    found = metric_pairs(a, b)
    assert {(pair.b, pair.difference, pair.verdict) for pair in found.pairs} == {("-", "", "")}
    assert found.remarks == ()
    assert metric_pairs(b, b).pairs == ()
    assert cost_pairs(b, b) == ()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none(tmp_path: Path, value: float) -> None:
    found = metric_pairs(_run(tmp_path, 0), _run(tmp_path, 1, psnr_global={"value": value}))
    assert _pair(found, "PSNR").difference == "0"
    a, b = _run(tmp_path / "x", 0), _run(tmp_path / "x", 1, ssim={"value": value})
    assert _pair(metric_pairs(a, b), "SSIM").difference in ("nan", "inf")


def test_costs_differ_by_a_factor(tmp_path: Path) -> None:
    a, b = _run(tmp_path, 0), _run(tmp_path, 1)
    assert a.result is not None
    assert b.result is not None
    a.result["cost"]["train_seconds"] = 60.0
    b.result["cost"]["train_seconds"] = 90.0
    pairs = {pair.header: pair for pair in cost_pairs(a, b)}
    assert pairs["time"] == NumberPair("time", "1 min", "1 min 30 s", "x 1.50")
    assert pairs["codes"] == NumberPair("codes", "1000", "1000", "", "equal")
