"""The straight-through estimator."""

import torch

from vqx.quantizers.estimator import straight_through


def test_value_is_exactly_q_and_gradient_exactly_z():
    z = (1e4 * torch.randn(100, 8)).requires_grad_()
    q = torch.randn(100, 8, requires_grad=True)
    out = straight_through(z, q)
    assert torch.equal(out, q)  # z + (q - z) would round
    upstream = torch.randn_like(out)
    out.backward(upstream)
    assert torch.equal(z.grad, upstream)
    assert q.grad is None
