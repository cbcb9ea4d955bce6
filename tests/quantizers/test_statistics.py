"""Batch statistics in closed form."""

import pytest
import torch

from vqx.quantizers.statistics import code_statistics, mean_norm


@pytest.mark.parametrize("used", [1, 3, 8])
def test_equal_counts_on_some_codes(used):
    counts = torch.zeros(8, dtype=torch.int64)
    counts[:used] = 5
    stats = code_statistics(counts)
    assert stats["batch_usage"].item() == pytest.approx(used / 8)
    assert stats["batch_perplexity"].item() == pytest.approx(used)


def test_mean_norm_is_detached():
    norm = mean_norm(torch.tensor([[3.0, 4.0], [0.0, 1.0]], requires_grad=True))
    assert norm.item() == pytest.approx(3.0)
    assert not norm.requires_grad
