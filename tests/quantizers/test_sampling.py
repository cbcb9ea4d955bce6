"""Random rows of a global batch: the same for any number of ranks."""

import pytest
import torch

from vqx.collectives import rank, world_size
from vqx.quantizers.sampling import JITTER, draw_rows

ROWS = torch.arange(60.0).view(20, 3)


def _seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def _draw_split(count, sizes):
    """Draw with this rank holding its part of ROWS, then once more from the same generator."""
    mine = ROWS.split(sizes)[rank()]
    generator = _seeded()
    return draw_rows(mine, count, generator=generator), draw_rows(mine, 2, generator=generator)


def _draw_unseeded():
    torch.manual_seed(rank())
    return draw_rows(ROWS[:10] + 100 * rank(), 5), world_size()


def test_distinct_rows_of_the_batch():
    drawn = draw_rows(ROWS, 20, generator=_seeded())
    assert sorted(drawn[:, 0].tolist()) == ROWS[:, 0].tolist()
    assert drawn.tolist() != ROWS.tolist()


def test_too_few_rows_repeat_evenly_with_small_noise():
    drawn = draw_rows(ROWS, 70, generator=_seeded())
    origin = torch.cdist(drawn, ROWS).argmin(1)
    assert set(origin.bincount(minlength=20).tolist()) == {3, 4}
    noise = drawn - ROWS[origin]
    assert (noise[:20] == 0).all()
    size = JITTER * drawn.square().mean().sqrt()
    assert noise[20:].std().item() == pytest.approx(size.item(), rel=0.3)
    assert len(drawn.unique(dim=0)) == 70


def test_every_row_is_drawn_equally_often():
    g = _seeded()
    drawn = torch.cat([draw_rows(ROWS, 5, generator=g) for _ in range(400)])
    share = (drawn[:, 0].long() // 3).bincount(minlength=20) / 100
    assert ((share > 0.7) & (share < 1.3)).all()


def test_no_rows_at_all_is_an_error():
    with pytest.raises(ValueError, match="no rows"):
        draw_rows(ROWS[:0], 2)


@pytest.mark.parametrize("count", [1, 7, 20, 33])
@pytest.mark.parametrize("sizes", [(10, 10), (3, 17), (20, 0)])
def test_two_ranks_draw_what_one_draws(two_ranks, count, sizes):
    g = _seeded()
    expected = draw_rows(ROWS, count, generator=g), draw_rows(ROWS, 2, generator=g)
    for result in two_ranks(_draw_split, count, sizes):
        torch.testing.assert_close(result, expected, rtol=0, atol=0)


def test_ranks_agree_even_with_different_generators(two_ranks):
    (first, size), (second, _) = two_ranks(_draw_unseeded)
    assert size == 2
    assert torch.equal(first, second)
    both = torch.cat([ROWS[:10], ROWS[:10] + 100])
    assert (first[:, None] == both).all(2).any(1).all()
