"""Content sums: additive, free of order, and changed by any change of an image."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vqx.metrics.content import content_sum


def images(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9), st.integers(1, 7), st.integers(1, 5), st.randoms())
def test_parts_in_any_order_add_up(cut: int, height: int, width: int, random: object) -> None:
    whole = images(9, 3, height, width)
    order = random.sample(range(9), 9)  # type: ignore[attr-defined]
    parts = [whole[order[:cut]], whole[order[cut:]]]
    assert sum(content_sum(part) for part in parts if len(part)) == content_sum(whole)


def test_every_single_bit_counts() -> None:
    whole = images(2, 1, 3, 3)
    sums = {int(content_sum(whole))}
    for place in range(9):
        for bit in range(8):
            changed = whole.clone()
            changed[1].view(-1)[place] ^= 1 << bit
            sums.add(int(content_sum(changed)))
    assert len(sums) == 73


def test_moved_content_counts() -> None:
    """Pixels that change places, within an image or between two, and images shown twice."""
    whole = images(3, 1, 4, 4)
    shifted = whole.roll(8, dims=-1).view(3, -1).roll(8, dims=-1).view_as(whole)
    mixed = whole.clone()
    mixed[0, :, :2], mixed[1, :, :2] = whole[1, :, :2], whole[0, :, :2]
    twice = torch.cat([whole[:1], whole[:1], whole[2:]])
    sums = {int(content_sum(x)) for x in (whole, shifted, mixed, twice)}
    assert len(sums) == 4


def test_the_sum_is_the_same_for_ever() -> None:
    """It is kept in files: another hash would call all of them changed."""
    plain = torch.arange(2 * 27, dtype=torch.uint8).view(2, 3, 3, 3)
    assert int(content_sum(plain)) == -1081163905815633187
