"""Nearest-code search in bounded memory.

Axes: N tokens, K codes, D latent width.
"""

import torch
from torch import Tensor

# Scores held at once. On a CPU 1 Mi float32, 4 MiB, which its cache holds; on a GPU 64 Mi, 256 MiB,
# since small chunks would leave most of it idle.
SCORES = 1 << 20
SCORES_ON_GPU = 1 << 26
CODES = 1 << 14


@torch.no_grad()
def nearest_codes(z: Tensor, codebook: Tensor, *, scores: int | None = None) -> Tensor:
    """Index (N,) int64 of the entry of `codebook` (K, D) nearest to each row of z (N, D).

    argmin_i |z - E_i|^2 = argmax_i z E_i - |E_i|^2 / 2; ties go to the lowest index. Float32
    whatever autocast says. Beside inputs and result at most `scores` products are held at once
    (and one row of them, when `scores` is less than that); None: SCORES, or on a
    GPU SCORES_ON_GPU.
    """
    if scores is None:
        scores = SCORES if z.device.type == "cpu" else SCORES_ON_GPU
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
    score, nearest = _block_best(z, *blocks[0])
    start = len(blocks[0][0])
    for codebook, half_squares in blocks[1:]:
        other_score, other = _block_best(z, codebook, half_squares)
        closer = other_score > score  # strictly: a tie stays with the lower index
        score = torch.where(closer, other_score, score)
        nearest = torch.where(closer, other + start, nearest)
        start += len(codebook)
    return nearest


def _block_best(z: Tensor, codebook: Tensor, half_squares: Tensor) -> tuple[Tensor, Tensor]:
    # Not addmm: it would first copy half_squares to every row.
    scores = torch.mm(z, codebook.T).sub_(half_squares)
    # argmax promises the first of equal maxima; max(dim) promises nothing.
    nearest = scores.argmax(1)
    return scores.gather(1, nearest[:, None])[:, 0], nearest
