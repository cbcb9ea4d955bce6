"""Numbers as they are written."""

import math
from typing import Any

import pytest

from tests.runs.synthetic import config_of, result_of
from vqx.reporting.columns import COLUMNS, columns_of, filled

BY_KEY = {column.key: column for column in COLUMNS}


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("usage", 0.99812, "99.8"),
        ("usage", 1.0, "100.0"),
        ("perplexity", 812.44, "812.4"),
        ("l2", 0.003162, "0.00316"),
        ("psnr", 25.126, "25.13"),
        ("psnr", math.inf, "inf"),
        ("psnr", math.nan, "nan"),
        ("lpips", 0.1234, "0.123"),
        ("parameters", 1_187_000, "1.2 M"),
        ("parameters", 999_960, "1.0 M"),
        ("parameters", 610_000, "610.0 k"),
        ("parameters", 512, "512"),
        ("time", 130.4, "2 min 10 s"),
        ("time", 59.7, "1 min"),
        ("time", 3 * 3600 + 5 * 60 + 7, "3 h 5 min"),
        ("time", 0.2, "0 s"),
        ("memory", 3 * 2**30, "3.00"),
        ("codes", 64000, "64000"),
        ("codes", 2**18, "262144"),
        ("codes", 2**36, "2^36"),
        ("codes", 1, "1"),
    ],
)
def test_formats(key: str, value: float, text: str) -> None:
    assert BY_KEY[key].text(value) == text


def test_headers_have_direction_and_unit() -> None:
    assert BY_KEY["psnr"].header == "PSNR ↑ dB"
    assert BY_KEY["rfid"].header == "rFID ↓"
    assert BY_KEY["images_per_second"].header == "images/s"


def test_values_are_found_or_none() -> None:
    result = result_of(config_of(), psnr=24.5)
    assert BY_KEY["psnr"].value(result) == 24.5
    assert BY_KEY["parameters"].value(result) == 1_187_000
    assert BY_KEY["rfid"].value(result) is None
    for broken in ({}, {"metrics": None}, {"metrics": {"psnr": 3}}, None):
        assert BY_KEY["psnr"].value(broken) is None


def test_a_metric_of_a_later_version_is_shown_too() -> None:
    result = result_of(config_of())
    result["metrics"]["fd_new"] = {"value": 1234.5678, "stamp": "s", "better": "lower"}
    columns = columns_of([result])
    new = next(column for column in columns if column.key == "fd_new")
    assert (new.header, new.text(1234.5678)) == ("fd_new ↓", "1235")
    assert columns.index(new) < [c.key for c in columns].index("parameters")


def test_rfid_has_its_column_even_if_nobody_has_it_but_fd_vgg16_has_not() -> None:
    keys = [c.key for c in filled(COLUMNS, [result_of(config_of(), fd=False)])]
    assert "rfid" in keys
    assert "fd_vgg16" not in keys
    assert "fd_vgg16" in [c.key for c in filled(COLUMNS, [result_of(config_of())])]


def test_codebooks_and_bit_entropy_are_shown_where_some_run_has_them() -> None:
    def keys(result: dict[str, Any]) -> set[str]:
        return {c.key for c in filled(columns_of([result]), [result])}

    result = result_of(config_of())
    assert not {"codebooks", "bit_entropy"} & keys(result)
    result["model"]["codebooks"] = 1
    assert "codebooks" not in keys(result)
    result["model"]["codebooks"] = 4
    result["metrics"]["bit_entropy"] = {"value": 0.9, "stamp": "s", "better": "higher"}
    assert {"codebooks", "bit_entropy"} <= keys(result)


def test_soft_numbers_have_columns_of_their_own_after_all_others() -> None:
    result = result_of(config_of())
    for key in ("soft_psnr", "soft_fd_new", "fd_new"):
        result["metrics"][key] = {"value": 31.0, "stamp": "s", "better": "higher"}
    columns = columns_of([result])
    metrics = [column.key for column in columns if column.is_metric]
    assert metrics[-2:] == ["soft_psnr", "soft_fd_new"]
    assert metrics.index("fd_new") == len(metrics) - 3
    soft = next(column for column in columns if column.key == "soft_psnr")
    assert (soft.header, soft.value(result), soft.default) == ("soft PSNR ↑ dB", 31.0, False)


def test_masked_numbers_follow_soft_ones() -> None:
    result = result_of(config_of())
    for key in ("masked_psnr", "masked_soft_psnr", "soft_psnr"):
        result["metrics"][key] = {"value": 20.0, "stamp": "s", "better": "higher"}
    columns = columns_of([result])
    metrics = [column for column in columns if column.is_metric][-3:]
    assert [column.key for column in metrics] == ["soft_psnr", "masked_psnr", "masked_soft_psnr"]
    assert metrics[-1].header == "masked soft PSNR ↑ dB"
    assert not any(column.default for column in metrics)
    assert "masked_psnr" not in {column.key for column in COLUMNS}


@pytest.mark.parametrize(("discriminator", "total"), [(28_900_000, 30_087_000.0), (0, 1_187_000.0)])
def test_a_discriminator_is_counted_beside_the_tokenizer(discriminator: int, total: float) -> None:
    result = result_of(config_of())
    before = {c.key for c in filled(columns_of([result]), [result])}
    assert not {"discriminator_parameters", "total_parameters"} & before
    assert BY_KEY["total_parameters"].value(result) is None
    result["model"]["discriminator_parameters"] = discriminator
    assert BY_KEY["parameters"].value(result) == 1_187_000
    assert BY_KEY["total_parameters"].value(result) == total
    shown = {c.key for c in filled(columns_of([result]), [result])} - before
    both = {"discriminator_parameters", "total_parameters"}
    assert shown == (both if discriminator else set())
