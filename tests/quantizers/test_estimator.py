"""The estimators: exact values, and gradients by their definition.

Axes: N tokens, D latent width.
"""

import pytest
import torch

from vqx.quantizers.estimator import rotation, straight_through


@pytest.mark.parametrize("estimate", [straight_through, rotation])
def test_value_is_exactly_q_and_q_gets_no_gradient(estimate):
    z = (1e4 * torch.randn(100, 8)).requires_grad_()
    q = torch.randn(100, 8, requires_grad=True)
    out = estimate(z, q)
    assert torch.equal(out, q)  # z + (q - z) would round
    out.backward(torch.randn_like(out))
    assert z.grad.isfinite().all()
    assert q.grad is None


def test_straight_through_copies_the_gradient():
    z, upstream = torch.randn(5, 3, requires_grad=True), torch.randn(5, 3)
    straight_through(z, torch.randn(5, 3)).backward(upstream)
    assert torch.equal(z.grad, upstream)


def _turn(z, q):
    """The rotation in the plane of z and q that takes z's direction to q's, (D, D)."""
    D = len(z)
    e1 = z / z.norm()
    e2 = q - (q @ e1) * e1
    e2 = e2 / e2.norm()
    cos = (z @ q) / (z.norm() * q.norm())
    sin = (1 - cos**2).sqrt()
    plane = torch.stack([e1, e2], 1)  # (D, 2)
    turn = torch.stack([torch.stack([cos, -sin]), torch.stack([sin, cos])])
    return torch.eye(D) - plane @ plane.T + plane @ turn @ plane.T


@pytest.mark.parametrize("D", [2, 3, 16])
def test_rotation_is_the_matrix_that_turns_z_onto_q(D):
    z, q, upstream = (torch.randn(20, D) for _ in range(3))
    z.requires_grad_()
    rotation(z, q).backward(upstream)
    for i in range(20):
        ratio, R = q[i].norm() / z[i].norm().detach(), _turn(z[i].detach(), q[i])
        torch.testing.assert_close(ratio * R @ z[i].detach(), q[i], rtol=1e-3, atol=1e-4)
        expected = (ratio * R).T @ upstream[i]
        torch.testing.assert_close(z.grad[i], expected, rtol=1e-3, atol=2e-3)


def test_rotation_keeps_the_gradients_angle_to_the_latent():
    """The point of the method: the angle between q and its gradient is that of z and its own."""
    z, q, upstream = (torch.randn(50, 6) for _ in range(3))
    z.requires_grad_()
    rotation(z, q).backward(upstream)
    cosine = torch.nn.functional.cosine_similarity
    expected = cosine(q, upstream)
    torch.testing.assert_close(cosine(z.detach(), z.grad), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("z", "q"),
    [([1.0, 0.0], [-2.0, 0.0]), ([0.0, 0.0], [1.0, 1.0]), ([1.0, 1.0], [0.0, 0.0])],
    ids=["opposite", "z is 0", "q is 0"],
)
def test_without_a_rotation_the_gradient_passes_straight_through(z, q):
    z, upstream = torch.tensor([z], requires_grad=True), torch.tensor([[0.3, -0.7]])
    rotation(z, torch.tensor([q])).backward(upstream)
    assert torch.equal(z.grad, upstream)


def test_rotation_agrees_with_the_peer():
    peer = pytest.importorskip("vector_quantize_pytorch.vector_quantize_pytorch")
    z, q, upstream = torch.randn(30, 8), torch.randn(30, 8), torch.randn(30, 8)
    ours, theirs = z.clone().requires_grad_(), z.clone().requires_grad_()
    rotation(ours, q).backward(upstream)
    peer.rotate_to(theirs, q).backward(upstream)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-4)
