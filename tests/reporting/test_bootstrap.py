"""Resampled means, against every resample written out and against drawing them."""

import itertools
import random
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqx.reporting.bootstrap import bootstrap_interval


@given(st.lists(st.integers(-50, 50).map(float), min_size=2, max_size=5))
def test_counts_every_resample(values: list[float]) -> None:
    n = len(values)
    means = sorted(sum(chosen) / n for chosen in itertools.product(values, repeat=n))
    found = bootstrap_interval(values)
    assert found is not None
    low, high = np.quantile(means, [0.025, 0.975], method="inverted_cdf")
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.mean == pytest.approx(statistics.mean(values))


def test_many_values_are_drawn_from_a_fixed_seed() -> None:
    source = random.Random(1)
    values = [source.gauss(0, 1) for _ in range(40)]
    found = bootstrap_interval(values)
    assert found == bootstrap_interval(values)
    assert found is not None
    error = statistics.stdev(values) / 40**0.5
    assert found.low == pytest.approx(found.mean - 1.96 * error, abs=0.05)
    assert found.high == pytest.approx(found.mean + 1.96 * error, abs=0.05)


def test_one_value_has_no_interval() -> None:
    assert bootstrap_interval([1.0]) is None
    assert bootstrap_interval([]) is None
