"""Batches cut and mirrored against a loop over images."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vqx.data import windows
from vqx.data.windows import cut_equal_windows, cut_windows, window_start


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def expected(image, place, flip, size):
    """The window of one image (C, H, W); `place` None is the centre."""
    rooms = [side - size for side in image.shape[1:]]
    top, left = (
        room // 2 if place is None else int(place[axis] * (room + 1))
        for axis, room in enumerate(rooms)
    )
    window = image[:, top : top + size, left : left + size]
    return window.flip(-1) if flip else window


@given(
    st.integers(1, 6),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=5),
    st.sampled_from([1, 3]),
    st.tuples(st.booleans(), st.booleans()),
    st.integers(0, 99),
)
def test_windows_of_ragged_images_equal_a_loop(size, rooms, channels, flags, seed):
    images = [noise(channels, size + down, size + right) for down, right in rooms]
    generator = torch.Generator().manual_seed(seed)
    indices = torch.randint(len(images), (7,), generator=generator).tolist()
    position = torch.rand(7, 2, generator=generator, dtype=torch.float64) if flags[0] else None
    flip = torch.rand(7, generator=generator) < 0.5 if flags[1] else None
    height, width = (torch.tensor([images[i].shape[axis] for i in indices]) for axis in (1, 2))
    chosen = (images[i].numpy() for i in indices)
    got = cut_windows(chosen, height, width, position, flip, channels=channels, size=size)
    for row, index in enumerate(indices):
        place = None if position is None else position[row].tolist()
        turned = flip is not None and bool(flip[row])
        assert torch.equal(got[row], expected(images[index], place, turned, size))


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("room", [0, 3])
@pytest.mark.parametrize("central", [False, True])
@pytest.mark.parametrize("mirrored", [False, True])
def test_windows_of_equal_images_equal_a_loop(large, room, central, mirrored, monkeypatch):
    monkeypatch.setattr(windows, "LARGE_WINDOW", 1 if large else 1 << 14)
    images, indices = noise(6, 3, 5 + room, 5 + room), torch.tensor([3, 0, 3, 5, 1])
    position = None if central else torch.rand(5, 2, dtype=torch.float64)
    flip = torch.tensor([True, False, False, True, True]) if mirrored else None
    kept = images.clone()
    got = cut_equal_windows(images, indices, position, flip, 5)
    for row, index in enumerate(indices.tolist()):
        place = None if central else position[row].tolist()
        assert torch.equal(got[row], expected(images[index], place, mirrored and flip[row], 5))
    got.zero_()
    assert torch.equal(images, kept)


def test_every_place_is_reached_and_none_beyond():
    position = torch.linspace(0, 1, 1001, dtype=torch.float64)[:-1]
    assert window_start(position, torch.tensor([4])).unique().tolist() == [0, 1, 2, 3, 4]
    last = torch.nextafter(torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64))
    rooms = torch.arange(1, 3000)
    assert torch.equal(window_start(last, rooms), rooms)
