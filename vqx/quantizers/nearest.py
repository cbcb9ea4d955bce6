"""Nearest-code search in bounded memory.

Axes: N tokens, K codes, D latent width.
"""

import torch
from torch import Tensor

# Scores held at once: 4 Mi float32, 16 MiB. Larger chunks were not faster on a CPU (they leave its
# cache) and hold a graphics card busy no better.
SCORES = 1 << 22
CODES = 1 << 14


@torch.no_grad()
def nearest_codes(z: Tensor, codebook: Tensor, *, scores: int = SCORES) -> Tensor:
    """Index (N,) int64 of the entry of `codebook` (K, D) nearest to each row of z (N, D).

    argmin_i |z - E_i|^2 = argmin_i |E_i|^2 / 2 - z E_i; ties go to the lowest index. Float32
    whatever autocast says. Beside inputs and result at most `scores` distances are held at once
    (and one row of them, when `scores` is less than that).
    """
    with torch.autocast(z.device.type, enabled=False):
        z, codebook = z.float(), codebook.float()
        half_squares = codebook.square().sum(1) / 2  # (K,)
        codes_at_once = min(len(codebook), CODES, max(scores, 1))
        tokens_at_once = max(scores // codes_at_once, 1)
        blocks = list(
            zip(codebook.split(codes_at_once), half_squares.split(codes_at_once), strict=True)
        )
        return torch.cat([_nearest(rows, blocks) for rows in z.split(tokens_at_once)])


def _nearest(z: Tensor, blocks: list[tuple[Tensor, Tensor]]) -> Tensor:
    distance, nearest = _block_minimum(z, *blocks[0])
    start = len(blocks[0][0])
    for codebook, half_squares in blocks[1:]:
        other_distance, other = _block_minimum(z, codebook, half_squares)
        closer = other_distance < distance  # strictly: a tie stays with the lower index
        distance = torch.where(closer, other_distance, distance)
        nearest = torch.where(closer, other + start, nearest)
        start += len(codebook)
    return nearest


def _block_minimum(z: Tensor, codebook: Tensor, half_squares: Tensor) -> tuple[Tensor, Tensor]:
    distances = torch.addmm(half_squares, z, codebook.T, alpha=-1)
    # argmin promises the first of equal minima; min(dim) promises nothing.
    nearest = distances.argmin(1)
    return distances.gather(1, nearest[:, None])[:, 0], nearest
