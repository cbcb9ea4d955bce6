"""Collective operations that are the identity on one process, so that callers need no special case.

They work with any initialised `torch.distributed` process group (nccl, gloo) and with none.
"""

import torch
import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """Number of ranks in the process group; 1 without one."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This process's rank; 0 without a process group."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def sum_over_ranks(x: Tensor) -> Tensor:
    """Elementwise sum of `x` over all ranks, as a new contiguous tensor; `x` itself is untouched.

    Reducing a view in place (`all_reduce(x.t().contiguous())`) would reduce a throw-away copy:
    returning the result makes that mistake impossible.
    """
    total = x.detach().clone(memory_format=torch.contiguous_format)
    if world_size() > 1:
        dist.all_reduce(total)
    return total


def max_over_ranks(x: Tensor) -> Tensor:
    """Elementwise maximum of `x` over all ranks, as a new contiguous tensor."""
    largest = x.detach().clone(memory_format=torch.contiguous_format)
    if world_size() > 1:
        dist.all_reduce(largest, op=dist.ReduceOp.MAX)
    return largest


def gather_rows(x: Tensor) -> Tensor:
    """Rows of `x` (n, ...) of all ranks, concatenated in rank order; n may differ between ranks."""
    x = x.detach().contiguous()
    if world_size() == 1:
        return x
    counts = torch.zeros(world_size(), dtype=torch.int64, device=x.device)
    counts[rank()] = x.shape[0]
    counts = sum_over_ranks(counts)
    sizes = counts.tolist()
    padded = x.new_zeros((max(sizes), *x.shape[1:]))
    padded[: x.shape[0]] = x
    gathered = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(gathered, padded)
    return torch.cat([rows[:size] for rows, size in zip(gathered, sizes, strict=True)])
