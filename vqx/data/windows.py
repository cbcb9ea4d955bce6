"""Cutting and mirroring whole batches by tensor operations.

Axes: b rows, C channels, T side of a stored image, S side of the window.
"""

import torch
from torch import Tensor


def window_start(position: Tensor | None, room: int) -> Tensor | int:
    """First pixel (b,) int64 of a window with `room` pixels of play, for `position` in [0, 1).

    Each of the room + 1 places is equally likely for a uniform position; None is the centre.
    """
    if position is None:
        return room // 2
    # The product can round up to room + 1 for the last doubles below 1.
    return (position * (room + 1)).long().clamp_(max=room)


def cut_windows(images: Tensor, indices: Tensor, position: Tensor | None, size: int) -> Tensor:
    """Windows (b, C, S, S) of `images` (N, C, T, T) at rows `indices`, as a new tensor."""
    room = images.shape[-1] - size
    if room == 0:
        return images.index_select(0, indices)
    if position is None:
        start = room // 2
        return images[:, :, start : start + size, start : start + size].index_select(0, indices)
    # A view of every window of every image; indexing it copies the wanted windows only.
    windows = images.unfold(2, size, 1).unfold(3, size, 1).permute(0, 2, 3, 1, 4, 5)
    top, left = window_start(position[:, 0], room), window_start(position[:, 1], room)
    return windows[indices, top, left]


def mirror(images: Tensor, flip: Tensor | None) -> Tensor:
    """`images` (b, C, H, W) with the rows that `flip` (b,) names mirrored left to right."""
    if flip is None:
        return images
    return torch.where(flip[:, None, None, None], images.flip(-1), images)
