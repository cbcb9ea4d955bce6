"""Slow, obvious versions of vqx.quantizers: one token, one code, one channel at a time."""

import math
from itertools import product

import torch
from torch import Tensor


def nearest(z: Tensor, codebook: Tensor) -> list[int]:
    """The nearest entry of each token by its distance to every entry; the first of equals."""
    found = []
    for token in z.double():
        distances = [float((token - entry).square().sum()) for entry in codebook.double()]
        found.append(distances.index(min(distances)))
    return found


def tokens(z: Tensor) -> list[Tensor]:
    """The tokens (D,) of z (B, D, h, w), image by image, row by row."""
    return [z[b, :, y, x] for b, y, x in product(*map(range, (z.shape[0], *z.shape[2:])))]


def vq_loss(z: Tensor, codebook: Tensor, beta: float, *, beta_legacy: bool = False) -> float:
    """Mean over all elements of the codebook and the commitment term."""
    rows = torch.stack(tokens(z))
    error = (
        sum(
            float((token - codebook[code]).square().sum())
            for token, code in zip(rows, nearest(rows, codebook), strict=True)
        )
        / z.numel()
    )
    codebook_weight, commitment_weight = (beta, 1.0) if beta_legacy else (1.0, beta)
    return codebook_weight * error + commitment_weight * error


class EMA:
    """Moving averages of count and sum, one code at a time, in float64."""

    def __init__(self, codebook: Tensor, counts: Tensor, sums: Tensor) -> None:
        self.E, self.N, self.M = codebook.double(), counts.double(), sums.double()

    def step(self, z: Tensor, decay: float, eps: float) -> None:
        """One optimizer step that saw the tokens of z (B, D, h, w)."""
        rows = tokens(z)
        codes = nearest(torch.stack(rows), self.E)
        K = len(self.E)
        for i in range(K):
            mine = [row.double() for row, code in zip(rows, codes, strict=True) if code == i]
            self.N[i] = decay * self.N[i] + (1 - decay) * len(mine)
            self.M[i] = decay * self.M[i] + (1 - decay) * sum(
                mine, torch.zeros(z.shape[1]).double()
            )
        total = self.N.sum()
        for i in range(K):
            self.E[i] = self.M[i] / ((self.N[i] + eps) / (total + K * eps) * total)


def fsq(
    z: list[float], levels: list[int], *, shift: str = "atanh", eps: float = 1e-3
) -> tuple[int, list[float]]:
    """Code and latent of one token."""
    code, basis, latent = 0, 1, []
    for value, level in zip(z, levels, strict=True):
        half = (level - 1) * (1 + eps) / 2
        offset = 0.5 if level % 2 == 0 else 0.0
        moved = value + getattr(math, shift)(offset / half)
        rounded = round(math.tanh(moved) * half - offset)
        latent.append(rounded / (level // 2))
        code += (rounded + level // 2) * basis
        basis *= level
    return code, latent
