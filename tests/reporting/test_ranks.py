"""Rank correlation."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from vqx.reporting.ranks import ranks, spearman


@pytest.mark.parametrize(
    ("first", "second", "rho"),
    [
        ([1, 2, 3, 4], [10, 20, 30, 40], 1.0),
        ([1, 2, 3], [0.1, -5, -7], -1.0),
        ([1, 2, 3, 4, 5], [2, 1, 4, 3, 5], 1 - 6 * 4 / (5 * 24)),
        ([1, 2], [1, 2], None),
        ([1, 1, 1], [1, 2, 3], None),
        ([], [], None),
    ],
)
def test_closed_forms(first: list[float], second: list[float], rho: float | None) -> None:
    assert spearman(first, second) == (None if rho is None else pytest.approx(rho))


def test_equal_values_share_a_rank() -> None:
    assert ranks([3.0, 1.0, 3.0, 2.0, 3.0]) == [4.0, 1.0, 4.0, 2.0, 4.0]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=12))
def test_agrees_with_scipy_where_values_repeat(pairs: list[tuple[int, int]]) -> None:
    first, second = ([float(pair[i]) for pair in pairs] for i in range(2))
    found = spearman(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert found is None
    else:
        assert found is not None
        assert math.isclose(found, stats.spearmanr(first, second)[0], abs_tol=1e-9)
