"""Positions of a grid's tokens."""

import torch
from torch import Tensor


def sincos_positions(height: int, width: int, channels: int, *, device: torch.device) -> Tensor:
    """Sine-cosine codes (height * width, channels) float32 of a grid's positions, row by row.

    A quarter of the channels each: sin and cos of the row, sin and cos of the column, with
    wavelengths from 2 pi to nearly 20000 pi (arXiv 1706.03762). They hold for any size of grid: a
    position's code depends on its row and column alone. `channels` must be a multiple of 4.
    """
    quarter = channels // 4
    exponents = torch.arange(quarter, device=device, dtype=torch.float32) / quarter
    frequencies = 10000.0**-exponents
    rows = torch.arange(height, device=device, dtype=torch.float32)[:, None] * frequencies
    columns = torch.arange(width, device=device, dtype=torch.float32)[:, None] * frequencies
    by_row = torch.cat([rows.sin(), rows.cos()], dim=1)[:, None].expand(-1, width, -1)
    by_column = torch.cat([columns.sin(), columns.cos()], dim=1).expand(height, -1, -1)
    return torch.cat([by_row, by_column], dim=2).flatten(0, 1)
