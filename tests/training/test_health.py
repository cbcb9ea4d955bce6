"""Codebook health: against a count of one code at a time, over ranks and over a checkpoint."""

import math

import pytest
import torch
import torch.distributed as dist

from vqx.metrics.codebook import LARGEST_COUNTED
from vqx.quantizers import FSQ
from vqx.training.health import CodebookHealth

CPU = torch.device("cpu")
K = 6


def quantizer(codebooks=1, codebook_size=K):
    made = FSQ([3, 2])
    made.codebooks, made.codebook_size = codebooks, codebook_size
    return made


def drawn(steps, *, codebooks=1, images=4):
    """Codes of each step, (images, 2, 2[, Q]): some -1, never 0, and 1 in the first step only."""
    generator = torch.Generator().manual_seed(codebooks)
    shape = (images, 2, 2) if codebooks == 1 else (images, 2, 2, codebooks)
    batches = []
    for step in range(steps):
        codes = torch.randint(1 if step == 0 else 2, K, shape, generator=generator)
        left_out = torch.rand(shape, generator=generator) < 0.2
        batches.append(torch.where(left_out, -1, codes))
    return batches


def watched(batches, *, codebooks=1, first_step=0, parts=1, health=None):
    health = health or CodebookHealth(quantizer(codebooks), CPU)
    for step, codes in enumerate(batches, first_step):
        for part in codes.tensor_split(parts):
            health.observe(part, step=step)
    return health


def reference(batches, *, codebooks, log_every):
    """The lines, one code at a time."""
    last, lines = [[0] * K for _ in range(codebooks)], []
    for start in range(0, len(batches), log_every):
        counts = [[0] * K for _ in range(codebooks)]
        for step in range(start, start + log_every):
            for index, code in enumerate(batches[step].flatten().tolist()):
                if code >= 0:
                    counts[index % codebooks][code] += 1
                    last[index % codebooks][code] = step + 1
        ages = [start + log_every - seen for row in last for seen in row]
        entropies = [
            -sum(n / sum(row) * math.log(n / sum(row)) for n in row if n) for row in counts
        ]
        lines.append(
            {
                "usage": sum(n > 0 for row in counts for n in row) / (codebooks * K),
                "perplexity": sum(map(math.exp, entropies)) / codebooks,
                "dead_code_age": sum(ages) / len(ages),
                "oldest_code_age": max(ages),
            }
        )
    return lines


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("codebooks", [1, 3])
def test_lines_are_those_of_counting_one_code_at_a_time(codebooks, parts):
    batches = drawn(12, codebooks=codebooks)
    health, lines = None, []
    for start in range(0, 12, 4):
        health = watched(
            batches[start : start + 4],
            codebooks=codebooks,
            first_step=start,
            parts=parts,
            health=health,
        )
        lines.append(health.values(step=start + 4))
    for ours, theirs in zip(
        lines, reference(batches, codebooks=codebooks, log_every=4), strict=True
    ):
        assert ours == pytest.approx(theirs, rel=1e-12)
    assert lines[-1]["oldest_code_age"] == 12  # code 0, never seen


def test_a_codebook_that_was_left_out_all_along_has_perplexity_one():
    codes = torch.stack([torch.arange(4), torch.full((4,), -1)], dim=-1).view(1, 2, 2, 2)
    values = watched([codes], codebooks=2).values(step=1)
    assert values["perplexity"] == pytest.approx((4 + 1) / 2)
    assert values["usage"] == pytest.approx(4 / 12)


def test_a_restored_one_goes_on_as_if_unbroken():
    batches = drawn(5)
    whole = watched(batches)
    second = CodebookHealth(quantizer(), CPU)
    second.load_state_dict(watched(batches[:3]).state_dict())
    watched(batches[3:], first_step=3, health=second)
    assert second.values(step=5) == whole.values(step=5)


def on_ranks(batches):
    """Lines of this rank's parts: unbroken, and restored in the middle of a window."""
    rank, size = dist.get_rank(), dist.get_world_size()
    mine = [codes.tensor_split(size)[rank] for codes in batches]
    unbroken = watched(mine)
    restored = CodebookHealth(quantizer(), CPU)
    state = watched(mine[:3]).state_dict()
    restored.load_state_dict(state)
    watched(mine[3:], first_step=3, health=restored)
    steps = len(batches)
    return unbroken.values(step=steps), restored.values(step=steps), state


def test_two_ranks_say_what_one_does(two_ranks):
    batches = drawn(5, images=5)
    alone = watched(batches)
    state = watched(batches[:3]).state_dict()
    expected = alone.values(step=5)
    for unbroken, restored, saved in two_ranks(on_ranks, batches):
        assert unbroken == restored == expected
        assert all(torch.equal(saved[name], value) for name, value in state.items())


def test_a_codebook_too_large_to_count_has_no_line_and_no_state():
    health = CodebookHealth(quantizer(codebook_size=LARGEST_COUNTED + 1), CPU)
    health.observe(torch.zeros(1, 1, 1, dtype=torch.int64), step=0)
    assert health.values(step=1) == {}
    assert health.state_dict() == {}
    health.load_state_dict({})
    assert CodebookHealth(quantizer(codebook_size=LARGEST_COUNTED), CPU).values(step=1)
