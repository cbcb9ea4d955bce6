"""Unit vectors against torch's own, and at 0."""

import pytest
import torch
import torch.nn.functional as F

from vqx.quantizers.directions import unit_vectors


@pytest.mark.parametrize(("shape", "dim"), [((5, 3), 1), ((2, 4, 3, 3), 1), ((4, 1), 1)])
def test_values_and_gradients_equal_torchs(shape, dim):
    x, upstream = torch.randn(shape), torch.randn(shape)
    results = []
    for scale in (unit_vectors, lambda x, dim: F.normalize(x, dim=dim)):
        leaf = x.clone().requires_grad_()
        out = scale(leaf, dim)
        out.backward(upstream)
        results.append((out, leaf.grad))
    for actual, expected in zip(*results, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)


def test_0_stays_0_without_a_gradient():
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    out = unit_vectors(x, 1)
    out.sum().backward()
    torch.testing.assert_close(out, torch.tensor([[0.0, 0.0], [0.6, 0.8]]))
    assert (x.grad[0] == 0).all()
    assert (x.grad[1] != 0).all()


def test_a_nan_stays_visible():
    assert unit_vectors(torch.tensor([[torch.nan, 1.0]]), 1).isnan().any()
