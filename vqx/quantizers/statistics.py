"""Scalars about one batch's latents and codes, for curves: on the device, without host sync.

They are of one micro-batch on one rank. How codes are used is not among them: that is counted over
steps and ranks by the trainer, and over the whole evaluation set by the metrics.

Axes: N tokens, D latent width.
"""

import torch
from torch import Tensor


@torch.no_grad()
def mean_norm(vectors: Tensor) -> Tensor:
    """Mean Euclidean norm () of vectors (N, D) or (B, D, h, w)."""
    if vectors.ndim == 2:
        squares = torch.einsum("ij,ij->i", vectors, vectors)  # without a copy of a large codebook
    else:
        # vector_norm along an axis that is not the innermost takes 30 times as long on a CPU.
        squares = vectors.square().sum(1)
    return squares.sqrt().mean()


@torch.no_grad()
def commitment_ratio(z: Tensor, q: Tensor) -> Tensor:
    """|z - q|^2 / |z|^2 () over all elements: 0 for latents that lie on their codes."""
    squares = z.detach().square().sum()
    return (z.detach() - q.detach()).square().sum() / squares.clamp(min=torch.finfo(z.dtype).tiny)
