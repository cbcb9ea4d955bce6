"""What a step sees is a function of (seed, step)."""

import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vqx.data.order import Order, draw_views


@given(st.integers(1, 20), st.integers(1, 25), st.integers(0, 2**70), st.integers(0, 40))
def test_steps_cut_the_stream_of_permutations(n, batch, seed, step):
    epochs = [
        Order(n, batch_size=n, seed=seed)(epoch) for epoch in range((step + 1) * batch // n + 1)
    ]
    assert all(sorted(epoch.tolist()) == list(range(n)) for epoch in epochs)
    stream = torch.cat(epochs)
    got = Order(n, batch_size=batch, seed=seed)(step)
    assert got.tolist() == stream[step * batch : (step + 1) * batch].tolist()


def test_steps_in_order_equal_steps_alone():
    order = Order(10, batch_size=4, seed=3)
    assert [order(s).tolist() for s in range(12)] == [
        Order(10, batch_size=4, seed=3)(s).tolist() for s in range(12)
    ]


def test_epochs_and_seeds_differ():
    first = Order(50, batch_size=50, seed=0)
    assert first(0).tolist() != first(1).tolist()
    # Neighbours: adding seed and epoch would make these two equal.
    assert first(1).tolist() != Order(50, batch_size=50, seed=1)(0).tolist()


def test_without_shuffle_the_order_is_the_set_s():
    order = Order(5, batch_size=3, seed=0, shuffle=False)
    assert [order(s).tolist() for s in range(3)] == [[0, 1, 2], [3, 4, 0], [1, 2, 3]]


def test_a_late_step_costs_no_more_than_a_permutation():
    start = time.perf_counter()
    Order(1000, batch_size=64, seed=0)(10**12)
    assert time.perf_counter() - start < 0.1


def test_draws_depend_on_seed_and_step_and_leave_the_default_generator():
    indices = torch.arange(64)
    before = torch.random.get_rng_state()
    views = [
        draw_views(indices, seed=seed, step=step, random_crop=True, flip=True)
        for seed, step in [(0, 0), (0, 0), (0, 1), (1, 0)]
    ]
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(views[0].position, views[1].position)
    assert torch.equal(views[0].flip, views[1].flip)
    for other in views[2:]:
        assert not torch.equal(views[0].position, other.position)
        assert not torch.equal(views[0].flip, other.flip)


def test_switching_one_draw_off_leaves_the_other():
    both, crop, flip, none = (
        draw_views(torch.arange(9), seed=5, step=7, random_crop=c, flip=f)
        for c, f in [(True, True), (True, False), (False, True), (False, False)]
    )
    assert torch.equal(both.position, crop.position)
    assert torch.equal(both.flip, flip.flip)
    assert crop.flip is None
    assert flip.position is None
    assert none.flip is None
    assert none.position is None


def test_draws_are_uniform():
    views = draw_views(torch.zeros(40_000), seed=0, step=0, random_crop=True, flip=True)
    assert views.flip.float().mean().item() == pytest.approx(0.5, abs=0.01)
    assert views.position.mean(0).tolist() == pytest.approx([0.5, 0.5], abs=0.01)
    assert views.position.min() >= 0
    assert views.position.max() < 1
    assert torch.corrcoef(views.position.T)[0, 1].abs() < 0.02
