"""Counts and sums by code."""

import torch

from vqx.quantizers.sums import count_codes, sum_by_code


def test_counts_and_sums_against_a_loop():
    codes, rows = torch.randint(7, (60,)), torch.randn(60, 3)
    counts, sums = count_codes(codes.view(3, 4, 5), 9), sum_by_code(rows, codes, 9)
    assert counts.dtype == torch.int64
    for i in range(9):
        assert counts[i] == (codes == i).sum()
        torch.testing.assert_close(sums[i], rows[codes == i].sum(0))


def test_repeatable_where_torch_is_asked_to_be():
    torch.use_deterministic_algorithms(True)
    try:
        assert count_codes(torch.tensor([1, 1, 0]), 3).tolist() == [1, 2, 0]
        assert sum_by_code(torch.ones(3, 1), torch.tensor([1, 1, 0]), 2).tolist() == [[1], [2]]
    finally:
        torch.use_deterministic_algorithms(False)
