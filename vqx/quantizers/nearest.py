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
# From this many threads on torch's parallel argmax is faster than NumPy's, which has one.
THREADS_FOR_TORCH = 8


def scores_held(device: torch.device) -> int:
    """How many scores a chunked pass over N x K holds at once on `device`."""
    return SCORES if device.type == "cpu" else SCORES_ON_GPU


@torch.no_grad()
def nearest_codes(z: Tensor, codebook: Tensor, *, scores: int | None = None) -> Tensor:
    """Index (N,) int64 of the entry of `codebook` (K, D) nearest to each row of z (N, D).

    argmin_i |z - E_i|^2 = argmax_i z E_i - |E_i|^2 / 2; ties go to the lowest index. Float32
    whatever autocast says. Beside inputs and result it holds at most `scores` products at once and
    K numbers; None: SCORES, or on a GPU SCORES_ON_GPU.
    """
    return best_codes(z, codebook, half_squares(codebook), scores=scores)


def half_squares(codebook: Tensor) -> Tensor:
    """-|E_i|^2 / 2 (K,) of `codebook` (K, D), without a copy of it."""
    with torch.autocast(codebook.device.type, enabled=False):
        codebook = codebook.float()
        return torch.einsum("kd,kd->k", codebook, codebook) / -2


@torch.compiler.disable  # its loop over blocks would be unrolled
@torch.no_grad()
def best_codes(
    z: Tensor, codebook: Tensor, bias: Tensor | None = None, *, scores: int | None = None
) -> Tensor:
    """argmax_i z E_i + bias_i, (N,) int64, as `nearest_codes` searches; `bias` (K,) None: 0."""
    with torch.autocast(z.device.type, enabled=False):
        z, codebook = z.float(), codebook.float()
        if bias is None:
            bias = codebook.new_zeros(len(codebook))
        scores = scores or scores_held(z.device)
        at_once = min(len(codebook), CODES, scores)
        blocks = list(zip(codebook.split(at_once), bias.split(at_once), strict=True))
        room = z.new_empty(min(max(scores // at_once, 1), len(z)) * at_once)
        tokens_at_once = max(len(room) // at_once, 1)
        return torch.cat([_best_of_blocks(rows, blocks, room) for rows in z.split(tokens_at_once)])


def _best_of_blocks(z: Tensor, blocks: list[tuple[Tensor, Tensor]], room: Tensor) -> Tensor:
    if len(blocks) == 1:
        return first_maximum(_scores(z, *blocks[0], room))
    score, nearest = _best(z, *blocks[0], room)
    start = len(blocks[0][0])
    for codebook, bias in blocks[1:]:
        other_score, other = _best(z, codebook, bias, room)
        closer = other_score > score  # strictly: a tie stays with the lower index
        score = torch.where(closer, other_score, score)
        nearest = torch.where(closer, other + start, nearest)
        start += len(codebook)
    return nearest


def _best(z: Tensor, codebook: Tensor, bias: Tensor, room: Tensor) -> tuple[Tensor, Tensor]:
    scores = _scores(z, codebook, bias, room)
    nearest = first_maximum(scores)
    return scores.gather(1, nearest[:, None])[:, 0], nearest


def _scores(z: Tensor, codebook: Tensor, bias: Tensor, room: Tensor) -> Tensor:
    room = room[: len(z) * len(codebook)].view(len(z), len(codebook))
    return torch.addmm(bias, z, codebook.T, out=room)


def first_maximum(scores: Tensor) -> Tensor:
    """The lowest index (n,) int64 of the largest of `scores` (n, K) in each row.

    max(dim) would not promise the first of equals. On a CPU with few threads torch's argmax takes
    longer than a matrix product of 64 dimensions; NumPy's is vectorised.
    """
    few_threads = torch.get_num_threads() < THREADS_FOR_TORCH
    if scores.device.type == "cpu" and few_threads and not torch.compiler.is_compiling():
        return torch.from_numpy(scores.numpy().argmax(1))
    return scores.argmax(1)
