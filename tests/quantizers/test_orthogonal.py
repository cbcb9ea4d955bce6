"""The orthogonal penalty against the matrix of all cosines."""

import pytest
import torch
import torch.nn.functional as F

from vqx.errors import ConfigError
from vqx.quantizers import EMA, VQ
from vqx.quantizers.orthogonal import OrthogonalPenalty


@pytest.mark.parametrize(("K", "D"), [(1, 1), (3, 8), (50, 4)])
def test_equals_the_matrix_of_all_cosines(K, D):
    codebook = torch.randn(K, D, requires_grad=True)
    unit = F.normalize(codebook, dim=1)
    slow = 10 * (unit @ unit.T - torch.eye(K)).square().sum() / K**2
    fast = OrthogonalPenalty(10.0)(codebook)
    torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-5)
    actual, expected = (torch.autograd.grad(x, codebook)[0] for x in (fast, slow))
    torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-4)


def test_is_0_for_an_orthogonal_codebook_and_greatest_for_equal_codes():
    assert OrthogonalPenalty(1.0)(3 * torch.eye(6)).item() == pytest.approx(0, abs=1e-6)
    assert OrthogonalPenalty(1.0)(torch.ones(6, 4)).item() == pytest.approx(30 / 36)


def test_agrees_with_the_peer():
    peer = pytest.importorskip("vector_quantize_pytorch.vector_quantize_pytorch")
    codebook = torch.randn(1, 40, 8)
    expected = peer.orthogonal_loss_fn(codebook)
    torch.testing.assert_close(OrthogonalPenalty(1.0)(codebook[0]), expected, rtol=1e-3, atol=1e-6)


def test_is_part_of_the_loss_of_a_gradient_codebook_only():
    z = torch.randn(2, 4, 3, 3)
    plain, penalised = VQ(16, 4, init="normal"), VQ(16, 4, init="normal", orthogonal=2.0)
    penalised.codebook.data.copy_(plain.codebook)
    gap = penalised(z).loss - plain(z).loss
    torch.testing.assert_close(gap, OrthogonalPenalty(2.0)(plain.codebook), rtol=1e-4, atol=1e-5)
    with pytest.raises(TypeError, match="orthogonal"):
        EMA(16, 4, orthogonal=1.0)
    with pytest.raises(ConfigError, match="orthogonal -1"):
        VQ(16, 4, orthogonal=-1.0)
