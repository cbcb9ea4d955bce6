"""Nearest-code search in bounded memory.

Axes: N tokens, K codes, D latent width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

# Scores held at once. On a CPU 1 Mi float32, 4 MiB, which its cache holds; on a GPU 64 Mi, 256 MiB,
# since small chunks would leave most of it idle.
SCORES = 1 << 20
SCORES_ON_GPU = 1 << 26
CODES = 1 << 14
# Codes whose maximum is taken first; argmax then looks at one group only.
GROUP = 64


def scores_held(device: torch.device) -> int:
    """How many scores a chunked pass over N x K holds at once on `device`."""
    return SCORES if device.type == "cpu" else SCORES_ON_GPU


@torch.no_grad()
def nearest_codes(z: Tensor, codebook: Tensor, *, scores: int | None = None) -> Tensor:
    """Index (N,) int64 of the entry of `codebook` (K, D) nearest to each row of z (N, D).

    argmin_i |z - E_i|^2 = argmax_i z E_i - |E_i|^2 / 2; ties go to the lowest index. Float32
    whatever autocast says. Beside inputs and result it holds at most `scores` products at once
    (GROUP at least), K numbers and, for K not a multiple of GROUP, a padded copy of the codebook.
    None: SCORES, or on a GPU SCORES_ON_GPU.
    """
    return best_codes(z, codebook, codebook.float().square().sum(1) / -2, scores=scores)


@torch.no_grad()
def best_codes(
    z: Tensor, codebook: Tensor, bias: Tensor | None = None, *, scores: int | None = None
) -> Tensor:
    """argmax_i z E_i + bias_i, (N,) int64, as `nearest_codes` searches; `bias` (K,) None: 0."""
    with torch.autocast(z.device.type, enabled=False):
        z, codebook = z.float(), codebook.float()
        if bias is None:
            bias = codebook.new_zeros(len(codebook))
        last = len(codebook) - 1
        if excess := -len(codebook) % GROUP:
            codebook = F.pad(codebook, (0, 0, 0, excess))
            bias = F.pad(bias, (0, excess), value=-torch.inf)
        scores = scores or scores_held(z.device)
        at_once = min(len(codebook), CODES, max(scores // GROUP, 1) * GROUP)
        blocks = list(zip(codebook.split(at_once), bias.split(at_once), strict=True))
        room = z.new_empty(max(scores // at_once, 1), at_once)
        nearest = [_best_of_blocks(rows, blocks, room) for rows in z.split(len(room))]
        # An infinite z makes the padding's scores NaN, which are greater than all.
        return torch.cat(nearest).clamp_(max=last)


def _best_of_blocks(z: Tensor, blocks: list[tuple[Tensor, Tensor]], room: Tensor) -> Tensor:
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
    room = room.flatten()[: len(z) * len(codebook)].view(len(z), len(codebook))
    return first_maximum(torch.addmm(bias, z, codebook.T, out=room))


def first_maximum(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Largest of `scores` (n, K) in each row, (n,), and the lowest index (n,) int64 it has.

    On a CPU argmax is many times slower than amax, so it sees one group of codes a row; K is a
    multiple of GROUP then. max(dim) would not promise the first of equals.
    """
    start = None
    if scores.device.type == "cpu":
        groups = scores.view(len(scores), -1, GROUP)
        group = groups.amax(2).argmax(1)
        scores = groups.gather(1, group[:, None, None].expand(-1, 1, GROUP))[:, 0]
        start = group * GROUP
    within = scores.argmax(1)
    best = scores.gather(1, within[:, None])[:, 0]
    return best, within if start is None else start + within
