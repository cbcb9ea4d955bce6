"""Numbers of rows for pictures."""

import math
from dataclasses import replace

import pytest

from vqx.errors import ConfigError
from vqx.reporting.columns import columns_of
from vqx.reporting.frame import Frame
from vqx.reporting.pictures.numbers import Pair, column_called, lack, pair_of

BY_KEY = {column.key: column for column in columns_of([])}


def test_a_pair_is_over_the_runs_that_have_both(frame: Frame) -> None:
    row = frame.rows[0]
    pair = pair_of(row, BY_KEY["usage"], BY_KEY["psnr"])
    assert isinstance(pair, Pair)
    values = [100 * result["metrics"]["usage"]["value"] for result in row.results]
    assert math.isclose(pair.x.mean, sum(values) / 2)
    first = row.runs[0]
    assert first.result is not None
    metrics = {**first.result["metrics"], "psnr": {"value": math.nan}}
    half = replace(
        row, runs=(replace(first, result={**first.result, "metrics": metrics}), row.runs[1])
    )
    pair = pair_of(half, BY_KEY["usage"], BY_KEY["psnr"])
    assert isinstance(pair, Pair)
    assert (pair.x.n, pair.x.mean) == (1, values[1])


def test_what_is_not_there_is_said(frame: Frame) -> None:
    failed = frame.rows[-1]
    assert pair_of(failed, BY_KEY["bits"], BY_KEY["psnr"]) == "no result (failed)"
    assert lack(frame.rows[0], [BY_KEY["rfid"]]) == "no rFID"


def test_an_unknown_column_is_suggested(frame: Frame) -> None:
    assert column_called("PSNR", frame.rows).key == "psnr"
    with pytest.raises(ConfigError, match="did you mean 'psnr'"):
        column_called("psnrr", frame.rows)
