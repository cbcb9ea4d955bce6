"""Batch statistics in closed form."""

import pytest
import torch

from vqx.quantizers.statistics import commitment_ratio, mean_norm


def test_mean_norm_is_detached_and_over_the_channels():
    norm = mean_norm(torch.tensor([[3.0, 4.0], [0.0, 1.0]], requires_grad=True))
    assert norm.item() == pytest.approx(3.0)
    assert not norm.requires_grad
    assert mean_norm(torch.ones(2, 4, 3, 5)).item() == pytest.approx(2.0)


def test_commitment_ratio_is_relative_to_the_latents():
    z = torch.randn(5, 3, requires_grad=True)
    assert commitment_ratio(z, 0.5 * z).item() == pytest.approx(0.25)
    assert commitment_ratio(z, z).item() == 0
    assert commitment_ratio(torch.zeros(2, 2), torch.zeros(2, 2)).item() == 0
