"""Ranks: what seeds cannot tell apart shares one, or has none."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from vqx.reporting.ranking import Ranks, rank
from vqx.reporting.statistics import Summary, summarize


def ranks_of(*rows: list[float], better: str = "higher") -> Ranks:
    summaries = {i: found for i, row in enumerate(rows) if (found := summarize(row)) is not None}
    texts = {i: f"{summary.mean:.2f}" for i, summary in summaries.items()}
    return rank(summaries, texts, better=better)


def test_a_clear_order_has_a_first_and_a_second() -> None:
    rows = ([20.0, 20.1, 20.2], [25.0, 25.1, 25.2], [22.0, 22.1, 22.2])
    assert ranks_of(*rows) == Ranks(frozenset({1}), frozenset({2}))
    assert ranks_of(*rows, better="lower") == Ranks(frozenset({0}), frozenset({2}))


def test_rows_within_noise_of_the_best_share_its_rank_and_there_is_no_second() -> None:
    rows = ([25.0, 25.3, 24.8], [25.1, 25.4, 24.9], [20.0, 20.1, 20.2], [15.0, 15.1, 15.2])
    assert ranks_of(*rows) == Ranks(frozenset({0, 1}))


def test_seconds_within_noise_share_theirs() -> None:
    rows = ([30.0, 30.1, 30.2], [25.0, 25.3, 24.8], [25.1, 25.4, 24.9], [20.0, 20.1, 20.2])
    assert ranks_of(*rows) == Ranks(frozenset({0}), frozenset({1, 2}))


def test_where_nothing_can_be_told_apart_nothing_is_ranked() -> None:
    assert ranks_of([25.0, 25.3, 24.8], [25.1, 25.4, 24.9]) == Ranks()
    assert ranks_of([25.0, 25.3, 24.8]) == Ranks()
    assert ranks_of() == Ranks()


def test_of_two_rows_the_other_needs_no_mark() -> None:
    assert ranks_of([20.0, 20.1], [25.0, 25.1]) == Ranks(frozenset({1}))


def test_single_seeds_go_by_what_the_table_shows() -> None:
    assert ranks_of([25.001], [25.002], [24.0]) == Ranks(frozenset({0, 1}))
    assert ranks_of([25.0], [26.0], [24.0]) == Ranks(frozenset({1}), frozenset({0}))


def test_numbers_that_are_none_have_no_rank() -> None:
    nan = float("nan")
    assert ranks_of([nan, 1.0], [3.0, 3.01], [2.0, 2.01]).best == frozenset({1})
    assert ranks_of([float("inf")], [3.0], [2.0]).best == frozenset({1})


@given(st.lists(st.lists(st.floats(0, 9), min_size=3, max_size=3), min_size=2, max_size=6))
def test_the_best_are_those_that_scipys_test_does_not_reject(rows: list[list[float]]) -> None:
    found = ranks_of(*rows)
    means = [sum(row) / 3 for row in rows]
    leader = means.index(max(means))
    for i, row in enumerate(rows):
        p = ttest_ind(rows[leader], row, equal_var=False).pvalue
        if i in found.best and f"{means[i]:.2f}" != f"{means[leader]:.2f}":
            assert not p < 0.01  # fewer degrees of freedom, rounded down, reject less
        if found.best and i not in found.best:
            assert p < 0.05


def test_equal_methods_are_seldom_told_apart() -> None:
    source = random.Random(0)
    told = sum(
        bool(ranks_of(*[[source.gauss(25, 0.2) for _ in range(3)] for _ in range(2)]).best)
        for _ in range(400)
    )
    assert told / 400 < 0.06


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_ranks_do_not_hang_on_the_order_of_rows(better: str) -> None:
    summaries = {0: Summary(3, 1.0, 0.1), 1: Summary(3, 9.0, 0.1), 2: Summary(3, 5.0, 0.1)}
    texts = {i: str(i) for i in summaries}
    turned = dict(reversed(list(summaries.items())))
    assert rank(summaries, texts, better=better) == rank(turned, texts, better=better)
