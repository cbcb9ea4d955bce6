"""Runs share a row when they differ in nothing but the seed."""

from pathlib import Path
from typing import Any

import pytest

from tests.runs.synthetic import config_of, write_run
from vqx.reporting.frame import Frame, build_frame, flatten, natural
from vqx.runs.reading import read_runs


def frame_of(tmp_path: Path, *configs: dict[str, Any], **options: Any) -> Frame:
    for config in configs:
        write_run(tmp_path, config)
    return build_frame(read_runs([str(tmp_path)])[0], **options)


def _rows(frame: Frame) -> list[tuple[str, list[Any]]]:
    return [(row.label, [run.config["seed"] for run in row.runs]) for row in frame.rows]


def test_seeds_fold_in_their_order(tmp_path: Path) -> None:
    configs = [config_of(q, seed=s) for q in ("vq", "fsq") for s in (10, 2, 0)]
    assert _rows(frame_of(tmp_path, *configs)) == [("fsq", [0, 2, 10]), ("vq", [0, 2, 10])]


def test_seeds_apart(tmp_path: Path) -> None:
    frame = frame_of(tmp_path, config_of(seed=0), config_of(seed=1), separate_seeds=True)
    assert _rows(frame) == [("fsq seed=0", [0]), ("fsq seed=1", [1])]


@pytest.mark.parametrize(
    "change",
    [
        {"trainer__devices": 4},
        {"trainer__log_every": 1},
        {"data__workers": 8},
        {"cache_dir": "/scratch"},
        {"results": "elsewhere"},
        {"logger": {"_target_": "vqx.training.loggers.WandbLogger"}},
        {"data__seed": 1},  # ${seed}: a repetition of the root's
        {"trainer__new_feature": None},
    ],
)
def test_what_changes_no_number_splits_no_row(change: dict[str, Any]) -> None:
    assert flatten(config_of(seed=1, **change)) == flatten(config_of(seed=0))


def test_a_folder_below_the_cache_is_a_place(tmp_path: Path) -> None:
    here = config_of(data__root="/home/somebody/.cache/vqx/data")
    there = config_of(seed=1, cache_dir="/scratch/vqx", data__root="/scratch/vqx/data")
    assert len(frame_of(tmp_path, here, there).rows) == 1
    own = config_of(data__root="/my/birds")
    assert flatten(own) != flatten(config_of(data__root="/my/cats"))


@pytest.mark.parametrize(
    "change",
    [
        {"levels": [8, 6, 5]},
        {"quantizer__levels": [8, 6, 5]},
        {"quantizer__eps": 1e-2},
        {"quantizer___target_": "mine.FSQ"},
        {"trainer__steps": 801},
        {"trainer__precision": "bf16"},
        {"loss__lpips": {"_target_": "vqx.losses.Lpips"}},
        {"metrics": {}},
    ],
)
def test_what_can_change_a_number_splits_rows(tmp_path: Path, change: dict[str, Any]) -> None:
    frame = frame_of(tmp_path, config_of(), config_of(**change))
    labels = [row.label for row in frame.rows]
    assert len(set(labels)) == 2, labels


def test_rows_that_would_read_alike_get_their_signature(tmp_path: Path) -> None:
    frame = frame_of(
        tmp_path,
        config_of(quantizer={"_target_": "mine.Quantizer"}, levels=None),
        config_of(quantizer={"_target_": "yours.Quantizer"}, levels=None),
    )
    labels = [row.label for row in frame.rows]
    assert len(set(labels)) == 2
    assert all(row.runs[0].signature in row.label for row in frame.rows)


def test_natural_order() -> None:
    words = ["k=1024", "k=64", "a", "k=8 x", "k=8", "k=0.5"]
    assert sorted(words, key=natural) == ["a", "k=0.5", "k=8", "k=8 x", "k=64", "k=1024"]
