"""Collectives: sums, maxima and rows over ranks; the identity on one process."""

import torch
import torch.distributed as dist

from vqx.collectives import gather_rows, max_over_ranks, rank, sum_over_ranks, world_size


def test_one_process_is_its_own_world():
    x = torch.arange(6.0).reshape(2, 3)
    assert (rank(), world_size()) == (0, 1)
    for function in (sum_over_ranks, max_over_ranks, gather_rows):
        assert torch.equal(function(x), x)
    assert sum_over_ranks(x) is not x


def reduced():
    r = dist.get_rank()
    x = torch.arange(6.0).reshape(3, 2).t() * (r + 1)  # not contiguous, as the reduce bug needs
    before = x.clone()
    rows = torch.full((r * 2, 2), float(r))  # none on the first rank
    summed = sum_over_ranks(x)
    assert torch.equal(x, before)
    return summed, max_over_ranks(x), gather_rows(rows)


def test_ranks_reduce_views_and_ragged_rows(two_ranks):
    x = torch.arange(6.0).reshape(3, 2).t()
    for summed, largest, rows in two_ranks(reduced):
        assert torch.equal(summed, 3 * x)
        assert torch.equal(largest, 2 * x)
        assert torch.equal(rows, torch.ones(2, 2))
