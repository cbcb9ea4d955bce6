"""What a page has room for."""

from dataclasses import dataclass

from vqx.reporting.page.limits import Budget, seed_by_seed


@dataclass
class Runs:
    runs: tuple[str, ...]


def test_first_seeds_of_all_rows_come_before_second_ones():
    rows = [Runs(("a0", "a1", "a2")), Runs(()), Runs(("b0",)), Runs(("c0", "c1"))]
    assert list(seed_by_seed(rows)) == ["a0", "b0", "c0", "a1", "c1", "a2"]
    assert list(seed_by_seed([])) == []


def test_once_something_did_not_fit_nothing_does():
    budget = Budget(10)
    assert [budget.take(size) for size in (6, 4, 1, 0)] == [True, True, False, False]
    assert budget.refused == 2
