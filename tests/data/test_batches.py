"""Ranks, micro-batches and the starting step change nothing of what a global step holds."""

from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.files import tensor_data
from vqx.data import evaluation_batches, train_batches
from vqx.errors import ConfigError

AUGMENTED = tensor_data(flip=True, random_crop=True)


def steps(data, count, *, world_size=1, micro_batches=1, **options):
    """The global batch of each of `count` steps, put together from all ranks' micro-batches."""
    ranks = [
        islice(
            train_batches(
                data, rank=r, world_size=world_size, micro_batches=micro_batches, **options
            ),
            count,
        )
        for r in range(world_size)
    ]
    return [
        torch.cat([part for rank in step for part in rank]) for step in zip(*ranks, strict=True)
    ]


def reference_step(data, step, *, batch_size, seed):
    """One image at a time, from the definition of the draws."""
    from vqx.data.order import Order, draw_views

    indices = Order(len(data.train), batch_size=batch_size, seed=seed)(step)
    views = draw_views(indices, seed=seed, step=step, random_crop=True, flip=True)
    rows = []
    for index, (down, right), flip in zip(
        indices, views.position.tolist(), views.flip.tolist(), strict=True
    ):
        top, left = int(down * 4), int(right * 4)  # 8 stored, 5 seen
        window = data.train.images[index, :, top : top + 5, left : left + 5]
        rows.append(window.flip(-1) if flip else window)
    return torch.stack(rows)


def test_steps_equal_one_image_at_a_time():
    got = steps(AUGMENTED, 6, batch_size=4, seed=11)
    for step, batch in enumerate(got):
        assert torch.equal(batch, reference_step(AUGMENTED, step, batch_size=4, seed=11))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 14), st.integers(0, 9))
def test_ranks_micro_batches_and_start_change_nothing(world_size, micro_batches, extra, start):
    batch_size = world_size * micro_batches + extra
    whole = steps(AUGMENTED, start + 3, batch_size=batch_size, seed=2)[start:]
    parts = steps(
        AUGMENTED,
        3,
        batch_size=batch_size,
        seed=2,
        start_step=start,
        world_size=world_size,
        micro_batches=micro_batches,
    )
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 30))
def test_parts_are_level_and_never_empty(world_size, micro_batches, extra):
    batch_size = world_size * micro_batches + extra
    options = {"batch_size": batch_size, "seed": 0, "world_size": world_size}
    sizes = []
    for rank in range(world_size):
        batches = train_batches(AUGMENTED, rank=rank, micro_batches=micro_batches, **options)
        sizes += [len(part) for part in next(batches)]
    assert len(sizes) == world_size * micro_batches
    assert sum(sizes) == batch_size
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= 1


def test_an_empty_micro_batch_is_refused_before_the_first_step():
    with pytest.raises(ConfigError, match=r"batch_size=5 .* 2 \* 3 = 6"):
        train_batches(AUGMENTED, batch_size=5, seed=0, world_size=2, micro_batches=3)


def test_flags_of_the_data_decide():
    plain = tensor_data(shuffle=False)
    (batch,) = steps(plain, 1, batch_size=4, seed=0)
    assert torch.equal(batch, plain.train.images[:4, :, 1:6, 1:6])


def test_batches_are_uint8_and_the_default_generator_is_left_alone():
    before = torch.random.get_rng_state()
    (batch,) = next(train_batches(AUGMENTED, batch_size=4, seed=0))
    assert batch.dtype == torch.uint8
    assert batch.shape == (4, 3, 5, 5)
    assert torch.equal(torch.random.get_rng_state(), before)


@given(st.integers(1, 23), st.integers(1, 5), st.integers(1, 6))
def test_evaluation_sees_each_image_once_in_order(images, world_size, batch_size):
    data = tensor_data(evaluation=images)
    ranks = [
        evaluation_batches(data, batch_size=batch_size, rank=r, world_size=world_size)
        for r in range(world_size)
    ]
    batches = [list(rank) for rank in ranks]
    assert torch.equal(
        torch.cat([batch for rank in batches for batch in rank]),
        data.evaluation.images[:, :, 1:6, 1:6],
    )
    assert {rank.rounds for rank in ranks} == {max(len(rank) for rank in batches)}
    assert all(1 <= len(batch) <= batch_size for rank in batches for batch in rank)


def test_evaluation_can_be_repeated():
    evaluation = evaluation_batches(tensor_data(), batch_size=3)
    first, second = list(evaluation), list(evaluation)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert evaluation.left_out == []


def test_evaluation_needs_a_batch_size():
    with pytest.raises(ConfigError, match="must be at least 1"):
        evaluation_batches(tensor_data(), batch_size=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU: pinned copies are not tested")
def test_batches_reach_the_gpu_unchanged():
    on_gpu = train_batches(AUGMENTED, batch_size=4, seed=0, device="cuda")
    on_cpu = train_batches(AUGMENTED, batch_size=4, seed=0)
    for (a,), (b,) in islice(zip(on_gpu, on_cpu, strict=True), 20):
        assert a.device.type == "cuda"
        assert torch.equal(a.cpu(), b)
