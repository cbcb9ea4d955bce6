"""Means over the global batch, and the entropy penalty, against the whole batch at once.

Axes: N tokens, K outcomes.
"""

import pytest
import torch

from vqx.collectives import rank, sum_over_ranks, world_size
from vqx.errors import ConfigError
from vqx.quantizers.penalty import BatchMean, EntropyPenalty, entropy


def _logits():
    return 3 * torch.randn(24, 5, generator=torch.Generator().manual_seed(0))


def _whole():
    """Loss and gradient of all 24 tokens, by the definition."""
    logits = _logits().requires_grad_()
    p = logits.softmax(1)
    spread = -(p.mean(0) * p.mean(0).log()).sum()
    loss = 0.3 * (-(p * p.log()).sum(1).mean() - 2 * spread)
    loss.backward()
    return loss.detach(), logits.grad


def _in_parts(micro_batches, ragged=False):
    """The same from this rank's share, in micro-batches; losses and gradients as DDP adds them."""
    penalty = EntropyPenalty(0.3, diversity=2.0)
    logits = _logits().requires_grad_()
    mine = logits.chunk(world_size())[rank()]
    parts = mine.split([5, len(mine) - 5]) if ragged else mine.chunk(micro_batches)
    if len(parts) > 1:
        for part in parts:
            penalty.survey(part.softmax(1).mean(0), len(part))
    total = torch.zeros(())
    for part in parts:
        p = part.softmax(1)
        loss = penalty(entropy(p).mean(), p.mean(0), len(part)) * len(part) / 24
        loss.backward(retain_graph=True)
        total += loss.detach()
    penalty.next_step()
    assert penalty.mean._total is None
    return sum_over_ranks(total), sum_over_ranks(logits.grad)


def _assert_whole(result):
    for actual, expected in zip(result, _whole(), strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("micro_batches", "ragged"), [(1, False), (4, False), (2, True)])
def test_parts_add_up_to_the_whole(micro_batches, ragged):
    _assert_whole(_in_parts(micro_batches, ragged))


@pytest.mark.parametrize("micro_batches", [1, 3])
def test_two_ranks_equal_one(two_ranks, micro_batches):
    for result in two_ranks(_in_parts, micro_batches):
        _assert_whole(result)


def test_eval_is_local_and_needs_no_collective(two_ranks):
    assert two_ranks(_eval_on_the_first_rank) == [True, True]


def _eval_on_the_first_rank():
    mean = BatchMean().eval()
    p = torch.tensor([0.5, 0.5])
    return rank() != 0 or torch.equal(mean(p, 3), p)


def test_entropy_has_a_finite_gradient_where_p_is_0():
    p = torch.tensor([[1.0, 0.0], [0.5, 0.5]], requires_grad=True)
    out = entropy(p)
    assert out.tolist() == pytest.approx([0, 0.6931472])
    (gradient,) = torch.autograd.grad(out.sum(), p)
    assert gradient.isfinite().all()


def test_weight_ramps_and_0_is_inactive():
    penalty = EntropyPenalty(1.0, diversity=0.0, ramp=4)
    seen = []
    for _ in range(6):
        seen.append(penalty(torch.tensor(1.0), torch.tensor([0.5, 0.5]), 1).item())
        penalty.next_step()
    assert seen == pytest.approx([0, 0.25, 0.5, 0.75, 1, 1])
    assert penalty.active
    assert not EntropyPenalty(0.0).active
    penalty.enabled = False
    assert penalty(torch.tensor(1.0), torch.tensor([0.5, 0.5]), 1) == 0


def test_wrong_weights_are_named():
    with pytest.raises(ConfigError, match="entropy_weight -1"):
        EntropyPenalty(-1)
    with pytest.raises(ConfigError, match="diversity"):
        EntropyPenalty(1, diversity=-0.5)
