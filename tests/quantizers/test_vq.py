"""VQ: its loss, on which side beta is, and its first codebook."""

import pytest
import torch

from tests.quantizers import reference
from tests.quantizers.cases import latents, make
from vqx.errors import ConfigError
from vqx.quantizers import VQ


@pytest.mark.parametrize("beta_legacy", [False, True])
@pytest.mark.parametrize("commitment", [0.0, 0.25, 2.0])
def test_loss_equals_the_slow_version(commitment, beta_legacy):
    quantizer, z = make("vq", commitment=commitment, beta_legacy=beta_legacy), latents(2)
    expected = reference.vq_loss(
        z, quantizer.codebook.detach(), commitment, beta_legacy=beta_legacy
    )
    assert quantizer(z).loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("beta_legacy", "at_z", "at_codebook"), [(False, 0.3, 1), (True, 1, 0.3)])
def test_beta_weighs_the_commitment_unless_legacy(beta_legacy, at_z, at_codebook):
    quantizer = make("vq", commitment=0.3, beta_legacy=beta_legacy)
    z = latents(2).requires_grad_()
    out = quantizer(z)
    out.loss.backward()
    gap = 2 * (z - out.latents).detach() / z.numel()
    torch.testing.assert_close(z.grad, at_z * gap)
    for code in range(24):
        mine = [
            t for t, c in zip(reference.tokens(gap), out.codes.flatten(), strict=True) if c == code
        ]
        expected = -at_codebook * sum(mine, torch.zeros(6))
        torch.testing.assert_close(quantizer.codebook.grad[code], expected)


def test_the_decoder_does_not_train_the_codebook():
    quantizer = make("vq")
    (quantizer(latents(1).requires_grad_()).latents.sum()).backward()
    assert quantizer.codebook.grad is None


def test_first_codebooks():
    torch.manual_seed(0)
    uniform, normal = VQ(512, 64).codebook, VQ(512, 64, init="normal").codebook
    assert uniform.abs().max() <= 1 / 512
    assert uniform.std().item() == pytest.approx(1 / 512 / 3**0.5, rel=0.02)
    assert normal.norm(dim=1).mean().item() == pytest.approx(1, rel=0.02)


def test_unknown_init_is_named():
    with pytest.raises(ConfigError, match="VQ init 'ones'"):
        VQ(4, 2, init="ones")
