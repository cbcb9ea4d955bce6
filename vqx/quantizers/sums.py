"""Sums over the tokens of each code.

Axes: N tokens, K codes, D latent width. `index_add_` is used throughout: no host synchronisation
(bincount has one), and `torch.use_deterministic_algorithms(True)` makes it repeatable on CUDA.
"""

import torch
from torch import Tensor


def count_codes(codes: Tensor, codebook_size: int) -> Tensor:
    """How often each code occurs, (K,) int64, in `codes` of any shape: exact for any N."""
    codes = codes.flatten()
    counts = torch.zeros(codebook_size, dtype=torch.int64, device=codes.device)
    return counts.index_add_(0, codes, torch.ones_like(codes))


def sum_by_code(rows: Tensor, codes: Tensor, codebook_size: int) -> Tensor:
    """Sum (K, D) of the `rows` (N, D) of each code; `codes` (N,)."""
    return rows.new_zeros(codebook_size, rows.shape[1]).index_add_(0, codes, rows)
