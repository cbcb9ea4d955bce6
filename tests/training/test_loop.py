"""When the loop logs, evaluates and saves, and how much of that is still to come."""

import pytest

from vqx.training.plan import Plan


def test_the_end_is_logged_and_saved_but_not_evaluated_twice():
    plan = Plan(steps=10, log_every=3, evaluate_every=5, checkpoint_every=4)
    steps = range(11)
    assert [s for s in steps if plan.logs_at(s)] == [3, 6, 9, 10]
    assert [s for s in steps if plan.evaluates_at(s)] == [5]
    assert [s for s in steps if plan.saves_at(s)] == [4, 8, 10]


def test_null_means_only_at_the_end():
    plan = Plan(steps=10, log_every=10, evaluate_every=None, checkpoint_every=None)
    assert [s for s in range(11) if plan.evaluates_at(s)] == []
    assert [s for s in range(11) if plan.saves_at(s)] == [10]
    assert plan.evaluations_left(0) == 1


@pytest.mark.parametrize("steps", [9, 10, 11, 15])
@pytest.mark.parametrize("every", [1, 3, 5])
def test_evaluations_left_are_those_that_will_happen(steps, every):
    plan = Plan(steps=steps, log_every=1, evaluate_every=every, checkpoint_every=None)
    for now in range(steps + 1):
        to_come = sum(plan.evaluates_at(s) for s in range(now + 1, steps)) + 1
        assert plan.evaluations_left(now) == to_come
