"""Files of the wrong shape are told from those of other versions."""

from typing import Any

import pytest

from tests.runs.synthetic import config_of, environment_of, result_of
from vqx.runs.shapes import fault_in


@pytest.mark.parametrize("name", ["fsq", "vq", "ema"])
def test_what_vqx_writes_is_in_shape(name: str) -> None:
    config = config_of(name)
    assert fault_in("config.yaml", config) == ""
    assert fault_in("result.json", result_of(config)) == ""
    assert fault_in("environment.json", environment_of()) == ""
    assert fault_in("status.json", {"state": 3}) == ""  # Status tells


@pytest.mark.parametrize("name", ["config.yaml", "result.json", "environment.json"])
def test_keys_may_lack_or_be_null(name: str) -> None:
    assert fault_in(name, {}) == ""
    keys = ("metrics", "model", "data", "cost", "git", "packages", "sessions", "trainer")
    assert fault_in(name, dict.fromkeys(keys)) == ""


@pytest.mark.parametrize(
    ("name", "record", "fault"),
    [
        ("config.yaml", {"trainer": "fast"}, "trainer is no mapping"),
        ("config.yaml", {"quantizer": {"_target_": 3}}, "quantizer._target_ is no text"),
        ("result.json", {"data": {"images": "9"}}, "data.images is no whole number"),
        ("result.json", {"data": {"images": True}}, "data.images is no whole number"),
        ("result.json", {"data": {"left_out": 3}}, "data.left_out is no list"),
        ("result.json", {"metrics": {"a": {"better": []}}}, "metrics.a.better is no text"),
        ("environment.json", {"own_code": {"a.py": 3}}, "own_code has what is no digest"),
        ("environment.json", {"sessions": [{"git": 1}]}, "sessions.0.git is no mapping"),
    ],
)
def test_what_is_of_another_kind_is_named(name: str, record: dict[str, Any], fault: str) -> None:
    assert fault_in(name, record) == fault
