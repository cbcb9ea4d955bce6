"""Random rows of a batch that is spread over ranks.

Axes: n rows on this rank, N rows on all ranks, D width.
"""

import torch
from torch import Tensor

from vqx.collectives import rank, sum_over_ranks, world_size

# Relative size of the noise that tells copies of a row apart, when more are drawn than exist.
JITTER = 1e-3


def draw_rows(rows: Tensor, count: int, *, generator: torch.Generator | None = None) -> Tensor:
    """`count` random rows (count, D) of the global batch; `rows` (n, D) is this rank's part of it.

    Distinct rows as long as count <= N. Beyond that rows repeat, each as often as the next to
    within one, and repeats get normal noise of JITTER times the drawn rows' root mean square.
    Every rank returns the same, and the same for any split of the batch over ranks in rank order.
    Rank 0 draws for all; a `generator` seeded alike everywhere stays so. No N x D gather is made.
    """
    first, total = _position(rows)
    if total == 0:
        raise ValueError("no rows to draw from on any rank")
    indices = from_rank_zero(_draw_indices(total, count, generator), rows.device) - first
    mine = (indices >= 0) & (indices < len(rows))
    drawn = rows.new_zeros(count, rows.shape[1])
    drawn[mine] = rows[indices[mine]]
    drawn = sum_over_ranks(drawn)
    if count > total:
        drawn[total:] = with_noise(drawn[total:], generator, like=drawn)
    return drawn


def with_noise(
    rows: Tensor, generator: torch.Generator | None, *, like: Tensor | None = None
) -> Tensor:
    """`rows` (n, D) with normal noise of JITTER times the root mean square of `like` (None: them).

    The same on every rank, whose `rows` are.
    """
    device = generator.device if generator is not None else None
    noise = torch.randn(rows.shape, generator=generator, device=device)
    size = JITTER * (rows if like is None else like).square().mean().sqrt()
    return rows + size * from_rank_zero(noise, rows.device)


def _position(rows: Tensor) -> tuple[int, int]:
    """Global index of this rank's first row, and the number of rows on all ranks."""
    sizes = torch.zeros(world_size(), dtype=torch.int64, device=rows.device)
    sizes[rank()] = len(rows)
    counts = sum_over_ranks(sizes).tolist()
    return sum(counts[: rank()]), sum(counts)


def _draw_indices(total: int, count: int, generator: torch.Generator | None) -> Tensor:
    device = generator.device if generator is not None else None
    rounds = -(-count // total)
    orders = [torch.randperm(total, generator=generator, device=device) for _ in range(rounds)]
    return torch.cat(orders)[:count]


def from_rank_zero(x: Tensor, device: torch.device) -> Tensor:
    """Rank 0's `x` on every rank, so that ranks agree even where their generators do not."""
    x = x.to(device)
    return sum_over_ranks(x if rank() == 0 else torch.zeros_like(x))
