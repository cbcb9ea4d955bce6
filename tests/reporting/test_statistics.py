"""Seeds folded, against the standard library's exact arithmetic."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqx.reporting.statistics import Summary, summarize


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8))
def test_mean_and_sample_deviation(values: list[float]) -> None:
    summary = summarize(values)
    assert summary is not None
    assert summary.n == len(values)
    assert summary.mean == pytest.approx(statistics.mean(values), rel=1e-12, abs=1e-9)
    assert summary.std == pytest.approx(statistics.stdev(values), rel=1e-9, abs=1e-9)


def test_one_seed_has_no_spread() -> None:
    assert summarize([25.3]) == Summary(1, 25.3, None)
    assert summarize([]) is None


@given(st.floats(-1e6, 1e6), st.integers(2, 9))
def test_equal_seeds_have_exactly_none(value: float, n: int) -> None:
    assert summarize([value] * n) == Summary(n, value, 0.0)


def test_nan_is_not_hidden() -> None:
    summary = summarize([1.0, math.nan])
    assert summary is not None
    assert math.isnan(summary.mean)
