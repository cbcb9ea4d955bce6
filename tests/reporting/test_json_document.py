"""The report as JSON."""

import json
import math
import statistics
from pathlib import Path
from typing import Any

import pytest

from tests.reporting.test_beside import EMA, STANDARD, _named, _write
from tests.reporting.test_frame import frame_of
from tests.runs.synthetic import QUANTIZERS, STAMPS, config_of, result_of, write_run
from vqx.reporting.json_document import render_json
from vqx.reporting.main_table import build_table
from vqx.runs.status import State

NUMBER: tuple[type, ...] = (int, float, str, type(None))
CELL = {"text": str, "spread": str, "mark": str, "value": NUMBER, "best": bool, "second": bool}
NOTE = {"about": str, "text": str}
SHAPE: dict[str, Any] = {
    "schema": str,
    "vqx": str,
    "heading": str,
    "unsaid": dict,
    "common": dict,
    "columns": [
        {
            "key": str,
            "title": str,
            "unit": str,
            "scale": (int, float),
            "better": (str, type(None)),
        }
    ],
    "rows": [
        {
            "label": str,
            "varying": dict,
            "n": int,
            "state": str,
            "discrete": (bool, type(None)),
            "runs": [
                {
                    "folder": str,
                    "signature": str,
                    "seed": (int, type(None)),
                    "state": str,
                    "note": str,
                }
            ],
            "numbers": dict,
        }
    ],
    "tables": [
        {
            "name": str,
            "caption": str,
            "columns": [{"key": str, "title": str}],
            "rows": [{"label": str, "published": bool, "cells": [CELL]}],
            "notes": [NOTE],
        }
    ],
}
NUMBERS = {"mean": NUMBER, "std": NUMBER, "n": int, "values": [NUMBER], "stamps": [str]}


def _check(node: Any, shape: Any, place: str = "") -> None:
    """That a document has exactly the keys and types of its description."""
    if isinstance(shape, dict):
        assert node.keys() == shape.keys(), place
        for key, inner in shape.items():
            _check(node[key], inner, f"{place}.{key}")
    elif isinstance(shape, list):
        assert isinstance(node, list), place
        for item in node:
            _check(item, shape[0], f"{place}[]")
    else:
        assert isinstance(node, shape), place


def _strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def _document(folder: Path) -> Any:
    frame = frame_of(folder)
    return _strict(render_json([build_table(frame)], frame))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for place, name in enumerate(QUANTIZERS):
        for seed in range(3):
            config = config_of(name, seed=seed)
            result = result_of(config, psnr=25 + place + 0.1 * seed)
            write_run(tmp_path, config, result=result)
    failed = config_of("vq", seed=3)
    write_run(tmp_path, failed, state=State.FAILED, message="out of \ud800 memory")
    return tmp_path


def test_the_document_is_what_it_says(runs: Path) -> None:
    document = _document(runs)
    _check(document, SHAPE)
    for row in document["rows"]:
        for numbers in row["numbers"].values():
            _check(numbers, NUMBERS)
            assert len(numbers["values"]) == len(row["runs"])
    assert document["schema"] == "vqx-report-1"
    (table,) = document["tables"]
    assert {len(row["cells"]) for row in table["rows"]} == {len(table["columns"])}


def test_numbers_are_exactly_those_of_the_runs(runs: Path) -> None:
    for row in _document(runs)["rows"]:
        for key in (*STAMPS, "rfid"):
            values = []
            for run in row["runs"]:
                path = Path(run["folder"]) / "result.json"
                metrics = json.loads(path.read_text())["metrics"] if path.exists() else {}
                values.append(metrics[key]["value"] if key in metrics else None)
            present = [value for value in values if value is not None]
            if not present:
                assert key not in row["numbers"]
                continue
            numbers = row["numbers"][key]
            assert numbers["values"] == values
            assert numbers["n"] == len(present) == 3
            assert numbers["mean"] == pytest.approx(statistics.mean(present), rel=1e-15)
            assert numbers["std"] == pytest.approx(statistics.stdev(present), rel=1e-12)
            assert numbers["stamps"] == [f"{STAMPS[key]}; images unknown"]


def test_runs_and_ranks(runs: Path) -> None:
    document = _document(runs)
    (row,) = (row for row in document["rows"] if row["label"] == "vq")
    assert [run["seed"] for run in row["runs"]] == [0, 1, 2, 3]
    assert row["runs"][3]["state"] == "failed"
    assert row["runs"][3]["note"] == "out of \ud800 memory"
    assert row["runs"][0]["folder"].endswith(row["runs"][0]["signature"])
    assert row["n"] == 3
    assert row["varying"] == {"quantizer": "vq"}
    keys = [column["key"] for column in document["tables"][0]["columns"]]
    best = [
        line["label"]
        for line in document["tables"][0]["rows"]
        if line["cells"][keys.index("psnr")]["best"]
    ]
    assert best == ["ema"]
    (usage,) = (column for column in document["columns"] if column["key"] == "usage")
    assert usage == {
        "key": "usage",
        "title": "usage",
        "unit": "%",
        "scale": 100,
        "better": "higher",
    }


def test_numbers_that_are_not_finite_are_named(tmp_path: Path) -> None:
    values = {"psnr": math.nan, "ssim": math.inf, "lpips": -math.inf}
    config = config_of("fsq")
    result = result_of(config)
    for key, value in values.items():
        result["metrics"][key]["value"] = value
    write_run(tmp_path, config, result=result)
    numbers = _document(tmp_path)["rows"][0]["numbers"]
    assert [numbers[key]["values"] for key in values] == [["NaN"], ["Infinity"], ["-Infinity"]]
    assert float(numbers["lpips"]["mean"]) == -math.inf
    assert numbers["psnr"]["std"] is None


def test_published_rows_are_told_from_ours(tmp_path: Path) -> None:
    _write(tmp_path, STANDARD)
    _write(tmp_path, EMA, "ema")
    frame, beside = _named(tmp_path, "serezd_quantizers")
    document = _strict(render_json([build_table(frame, beside=beside)], frame))
    _check(document, SHAPE)
    lines = document["tables"][0]["rows"]
    labels = {row["label"] for row in document["rows"]}
    assert {line["label"] for line in lines if not line["published"]} == labels
    assert sum(line["published"] for line in lines) == 5


def test_the_same_runs_give_the_same_bytes(runs: Path) -> None:
    frame, again = frame_of(runs), frame_of(runs)
    assert render_json([build_table(frame)], frame) == render_json([build_table(again)], again)
    assert render_json([], frame).isascii()
