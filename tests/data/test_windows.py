"""Batched cutting and mirroring against a loop over images."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vqx.data.windows import cut_ragged_windows, cut_windows, mirror, window_start


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@given(st.integers(1, 7), st.integers(0, 4), st.sampled_from([1, 3]), st.integers(0, 99))
def test_windows_equal_a_loop(size, room, channels, seed):
    images = noise(6, channels, size + room, size + room)
    generator = torch.Generator().manual_seed(seed)
    indices = torch.randint(6, (9,), generator=generator)
    position = torch.rand(9, 2, generator=generator, dtype=torch.float64)
    got = cut_windows(images, indices, position, size)
    for row, (index, (down, right)) in enumerate(zip(indices, position.tolist(), strict=True)):
        top, left = int(down * (room + 1)), int(right * (room + 1))
        assert torch.equal(got[row], images[index, :, top : top + size, left : left + size])


@given(
    st.integers(1, 6),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=5),
    st.sampled_from([1, 3]),
    st.booleans(),
    st.integers(0, 99),
)
def test_windows_of_ragged_images_equal_a_loop(size, rooms, channels, central, seed):
    images = [noise(channels, size + down, size + right) for down, right in rooms]
    places = torch.tensor([0, *(image.numel() for image in images)]).cumsum(0)
    generator = torch.Generator().manual_seed(seed)
    indices = torch.randint(len(images), (7,), generator=generator)
    position = torch.rand(7, 2, generator=generator, dtype=torch.float64)
    height, width = (torch.tensor([image.shape[axis] for image in images]) for axis in (1, 2))
    got = cut_ragged_windows(
        torch.cat([image.flatten() for image in images]),
        offset=places[indices],
        height=height[indices],
        width=width[indices],
        position=None if central else position,
        channels=channels,
        size=size,
    )
    for row, (index, (down, right)) in enumerate(zip(indices, position.tolist(), strict=True)):
        top, left = (
            int(p * (room + 1)) for p, room in zip((down, right), rooms[index], strict=True)
        )
        if central:
            top, left = (room // 2 for room in rooms[index])
        assert torch.equal(got[row], images[index][:, top : top + size, left : left + size])


def test_without_positions_the_centre():
    images = noise(3, 3, 8, 8)
    assert torch.equal(
        cut_windows(images, torch.tensor([2, 0]), None, 5), images[[2, 0], :, 1:6, 1:6]
    )


@pytest.mark.parametrize("room", [0, 3])
def test_windows_are_new_tensors(room):
    images = noise(3, 3, 5 + room, 5 + room)
    kept = images.clone()
    position = torch.zeros(2, 2, dtype=torch.float64)
    cut_windows(images, torch.tensor([0, 1]), position, 5).zero_()
    assert torch.equal(images, kept)


def test_every_place_is_reached_and_none_beyond():
    position = torch.linspace(0, 1, 1001, dtype=torch.float64)[:-1]
    assert window_start(position, 4).unique().tolist() == [0, 1, 2, 3, 4]
    last = torch.nextafter(torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64))
    for room in range(1, 3000):
        assert window_start(last, room).item() == room


def test_mirror_turns_the_named_rows():
    images = noise(4, 3, 5, 6)
    got = mirror(images, torch.tensor([True, False, True, False]))
    for row in range(4):
        expected = images[row].flip(-1) if row % 2 == 0 else images[row]
        assert torch.equal(got[row], expected)
    assert mirror(images, None) is images
