"""Cutting and mirroring whole batches by tensor operations.

Axes: b rows, C channels, H W pixels, T side of a stored image, S side of the window, N images.
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
    """Windows (b, C, S, S) of rows `indices` of contiguous `images` (N, C, T, T), a new tensor."""
    channels, side = images.shape[1], images.shape[-1]
    room = side - size
    if room == 0:
        return images.index_select(0, indices)
    if position is None:
        start = room // 2
        return images[:, :, start : start + size, start : start + size].index_select(0, indices)
    top, left = window_start(position[:, 0], room), window_start(position[:, 1], room)
    corner = indices * (channels * side * side) + top * side + left  # (b,) pixels from the first
    rows = torch.arange(channels)[:, None] * (side * side) + torch.arange(size) * side  # (C, S)
    # A view that holds, at each pixel, the run of S pixels from there on: one copy for each row of
    # a window, several times faster than indexing pixel by pixel.
    runs = images.view(-1).unfold(0, size, 1)
    starts = corner[:, None] + rows.view(-1)
    return runs.index_select(0, starts.view(-1)).view(-1, channels, size, size)


def cut_ragged_windows(
    pixels: Tensor,
    *,
    offset: Tensor,
    height: Tensor,
    width: Tensor,
    position: Tensor | None,
    channels: int,
    size: int,
) -> Tensor:
    """Windows (b, C, S, S) of images (C, H, W) of any sizes that lie one after another in `pixels`.

    `offset`, `height`, `width` (b,) int64: where in the flat `pixels` each of them starts, its H W.
    """
    if position is None:
        top, left = (height - size) // 2, (width - size) // 2
    else:
        top = torch.minimum((position[:, 0] * (height - size + 1)).long(), height - size)
        left = torch.minimum((position[:, 1] * (width - size + 1)).long(), width - size)
    corner = offset + top * width + left  # (b,)
    planes = torch.arange(channels) * (height * width)[:, None]  # (b, C)
    rows = torch.arange(size) * width[:, None]  # (b, S)
    starts = corner[:, None, None] + planes[:, :, None] + rows[:, None, :]
    runs = pixels.unfold(0, size, 1)  # as in `cut_windows`
    return runs.index_select(0, starts.view(-1)).view(-1, channels, size, size)


def mirror(images: Tensor, flip: Tensor | None) -> Tensor:
    """`images` (b, C, H, W) with the rows that `flip` (b,) names mirrored left to right."""
    if flip is None:
        return images
    # Choosing whole rows from both is several times faster than a mask over pixels.
    both = torch.cat([images, images.flip(-1)])
    return both.index_select(0, torch.arange(len(images)) + flip * len(images))
