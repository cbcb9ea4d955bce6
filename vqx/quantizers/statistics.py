"""Scalars about one batch's codes and latents, for curves: on the device, without host sync.

They are of one micro-batch on one rank, hence `batch_`: reported usage and perplexity come from
the metrics, over the whole evaluation set.
"""

import torch
from torch import Tensor


@torch.no_grad()
def code_statistics(counts: Tensor) -> dict[str, Tensor]:
    """Usage (fraction of K seen) and perplexity (exp of entropy) of `counts` (K,)."""
    p = counts / counts.sum().clamp(min=1)
    return {
        "batch_usage": (counts > 0).float().mean(),
        "batch_perplexity": torch.special.entr(p).sum().exp(),
    }


@torch.no_grad()
def mean_norm(rows: Tensor) -> Tensor:
    """Mean Euclidean norm () of `rows` (N, D)."""
    return rows.detach().norm(dim=1).mean()
