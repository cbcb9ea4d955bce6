"""Ranks: what seeds cannot tell apart shares one, or has none."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

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


def test_a_row_of_one_seed_is_judged_by_the_noise_of_the_others() -> None:
    assert ranks_of([25.01], [25.0, 25.4, 24.6], [20.0, 20.1, 20.2]) == Ranks(frozenset({0, 1}))
    assert ranks_of([29.0], [25.0, 25.4, 24.6], [20.0, 20.1, 20.2]).best == frozenset({0})


@given(st.lists(st.lists(st.floats(0, 9), min_size=1, max_size=3), min_size=2, max_size=6))
def test_the_best_are_all_up_to_the_first_that_fishers_difference_tells_apart(
    rows: list[list[float]],
) -> None:
    found = ranks_of(*rows)
    means = [sum(row) / len(row) for row in rows]
    freedom = sum(len(row) - 1 for row in rows)
    order = sorted(range(len(rows)), key=lambda i: -means[i])
    if freedom:
        squares = sum((x - means[i]) ** 2 for i, row in enumerate(rows) for x in row)
        least = t.ppf(0.975, freedom) * (squares / freedom) ** 0.5
    tied = []
    for i in order:
        leader = order[0]
        error = (1 / len(rows[i]) + 1 / len(rows[leader])) ** 0.5
        near = freedom and means[leader] - means[i] <= least * error + 1e-9
        if not near and f"{means[i]:.2f}" != f"{means[leader]:.2f}":
            break
        tied.append(i)
    assert found.best == frozenset(tied if len(tied) < len(rows) else ())


@given(st.lists(st.lists(st.floats(0, 9), min_size=1, max_size=3), min_size=2, max_size=6))
def test_no_row_is_marked_that_is_worse_than_one_without_a_mark(rows: list[list[float]]) -> None:
    found = ranks_of(*rows)
    means = [sum(row) / len(row) for row in rows]
    marked = found.best | found.second
    worst = min((means[i] for i in marked), default=float("inf"))
    assert all(means[i] <= worst for i in range(len(rows)) if i not in marked)


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
