"""Seeds folded, against the standard library's exact arithmetic."""

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from vqx.reporting.statistics import (
    Interval,
    Noise,
    Summary,
    mean_interval,
    pooled_std,
    summarize,
    t_quantile,
)


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


@pytest.mark.parametrize("p", [0.75, 0.95, 0.975, 0.995])
@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 30, 99, 100, 101, 1000, 49_999])
def test_t_quantiles_are_scipys(p: float, freedom: int) -> None:
    assert t_quantile(p, freedom) == pytest.approx(t.ppf(p, freedom), rel=1e-7)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30))
def test_interval_of_a_mean_is_scipys(values: list[float]) -> None:
    found = mean_interval(values)
    assert found is not None
    mean, error = statistics.mean(values), t_error(values)
    expected = t.interval(0.95, len(values) - 1, loc=mean, scale=error) if error else (mean, mean)
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-7, abs=1e-7)
    assert found.half_width == pytest.approx((expected[1] - expected[0]) / 2, abs=1e-7)


def t_error(values: list[float]) -> float:
    return statistics.stdev(values) / math.sqrt(len(values))


def test_one_value_has_no_interval() -> None:
    assert mean_interval([3.0]) is None
    assert mean_interval([]) is None


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    source = random.Random(0)
    found = [mean_interval([source.gauss(5, 2) for _ in range(3)]) for _ in range(2000)]
    covered = sum(i is not None and i.low <= 5 <= i.high for i in found) / 2000
    assert 0.935 < covered < 0.965


@given(st.lists(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=5), min_size=1, max_size=6))
def test_pooled_deviation_is_that_of_the_residuals(groups: list[list[float]]) -> None:
    found = pooled_std([s for group in groups if (s := summarize(group)) is not None])
    freedom = sum(len(group) - 1 for group in groups)
    if not freedom:
        assert found is None
        return
    residuals = [x - statistics.mean(group) for group in groups for x in group]
    assert found is not None
    assert found.freedom == freedom
    expected = math.sqrt(sum(r * r for r in residuals) / freedom)
    assert found.std == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_what_is_not_finite_has_no_part_in_it() -> None:
    assert pooled_std([Summary(3, 1.0, math.inf), Summary(3, 1.0, math.nan)]) is None
    found = pooled_std([Summary(3, 1.0, math.nan), Summary(3, 1.0, 2.0), Summary(1, 1.0, None)])
    assert found == Noise(2.0, 2)


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ([1e200, 1.0], 5e199),
        ([1.0, math.inf], math.inf),
        ([1.0, math.inf, -math.inf], math.nan),
        ([math.nan, 1.0], math.nan),
    ],
)
def test_extremes_end_nothing(values: list[float], mean: float) -> None:
    found = summarize(values)
    assert found is not None
    assert found.mean == pytest.approx(mean, nan_ok=True)
    assert found.std is not None
    assert not math.isfinite(found.std) or found.std > 1e199


def test_excludes_zero_on_either_side_only() -> None:
    assert Interval(3, 1, 0.5, 1.5).excludes_zero
    assert Interval(3, -1, -1.5, -0.5).excludes_zero
    assert not Interval(3, 1, 0, 2).excludes_zero
    assert not Interval(3, 0, 0, 0).excludes_zero
