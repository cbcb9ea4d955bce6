"""Cutting and mirroring the windows of a batch.

By numpy, in the calling thread alone: cutting is copying, and tensor operations would share each
of their small copies out to torch's threads, which wait for each other where cores are busy.

Axes: b rows, N images, C channels, H W pixels, T side of a stored image, S side of the window.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

LARGE_WINDOW = 1 << 14  # bytes from which a window is best mirrored while it is copied


def window_start(position: Tensor | None, room: Tensor) -> Tensor:
    """First pixel (b,) int64 of windows with `room` (b,) of play, for `position` in [0, 1).

    Each of the room + 1 places is equally likely for a uniform position; None is the centre.
    """
    if position is None:
        return room // 2
    # The product can round up to room + 1 for the last doubles below 1.
    return torch.minimum((position * (room + 1)).long(), room)


def cut_equal_windows(
    images: Tensor, indices: Tensor, position: Tensor | None, flip: Tensor | None, size: int
) -> Tensor:
    """Windows (b, C, S, S) of rows `indices` of `images` (N, C, T, T), a new tensor.

    Mirrored left to right where `flip` (b,) says so.
    """
    whole = images.numpy()
    channels, side = whole.shape[1], whole.shape[-1]
    if side == size and channels * size * size < LARGE_WINDOW:
        batch = whole[indices.numpy()]
        if flip is not None:
            rows = flip.numpy()
            batch[rows] = batch[rows][..., ::-1]
        return torch.from_numpy(batch)
    sides = torch.full((len(indices),), side)
    chosen = (whole[index] for index in indices.tolist())
    return cut_windows(chosen, sides, sides, position, flip, channels=channels, size=size)


def cut_windows(
    images: Iterable[np.ndarray],
    height: Tensor,
    width: Tensor,
    position: Tensor | None,
    flip: Tensor | None,
    *,
    channels: int,
    size: int,
) -> Tensor:
    """Windows (b, C, S, S) of b `images` (C, H, W) of the sizes `height`, `width` (b,) int64.

    Mirrored left to right where `flip` (b,) says so.
    """
    down, right = (None, None) if position is None else position.T
    top = window_start(down, height - size).tolist()
    left = window_start(right, width - size).tolist()
    mirrored = [False] * len(top) if flip is None else flip.tolist()
    batch = np.empty((len(top), channels, size, size), np.uint8)
    for row, image in enumerate(images):
        y, x = top[row], left[row]
        window = image[:, y : y + size, x : x + size]
        batch[row] = window[..., ::-1] if mirrored[row] else window
    return torch.from_numpy(batch)
