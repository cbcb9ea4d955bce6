"""IFSQ against its equation, and how evenly the scalar quantizers use 8 levels."""

import math

import pytest
import torch

from tests.quantizers import reference
from vqx.quantizers.fsq import FSQ
from vqx.quantizers.ifsq import IFSQ
from vqx.quantizers.sfsq import SFSQ


def _slow(z, levels, eps):
    """Code and latent of one token."""
    code, basis, latent = 0, 1, []
    for value, level in zip(z, levels, strict=True):
        half, offset = (level - 1) * (1 + eps) / 2, 0.5 if level % 2 == 0 else 0.0
        ratio = offset / half
        shift = math.log((1 + ratio) / (1 - ratio)) / 1.6
        rounded = round((2 / (1 + math.exp(-1.6 * (value + shift))) - 1) * half - offset)
        latent.append(rounded / (level // 2))
        code += (rounded + level // 2) * basis
        basis *= level
    return code, latent


@pytest.mark.parametrize(
    ("levels", "eps"),
    [([8, 5, 5, 5], 1e-3), ([2], 1e-3), ([2, 3, 2], 0.3), ([255, 6], 1e-3), ([8, 5], -1e-3)],
)
def test_codes_and_latents_equal_the_slow_version(levels, eps):
    z = 3 * torch.randn(4, len(levels), 5, 5, generator=torch.Generator().manual_seed(1))
    out = IFSQ(levels, eps=eps)(z)
    latents = torch.stack(reference.tokens(out.latents))
    for token, code, latent in zip(reference.tokens(z), out.codes.flatten(), latents, strict=True):
        expected_code, expected_latent = _slow(token.tolist(), levels, eps)
        assert code == expected_code
        torch.testing.assert_close(latent, torch.tensor(expected_latent))


def test_zero_is_a_level_of_every_channel():
    at_zero = IFSQ([2, 4, 5, 8]).compared(torch.zeros(1, 4, 1, 1))
    assert at_zero.abs().max() < 1e-6


def test_gradient_is_the_slope_of_the_activation():
    z = torch.linspace(-3, 3, 20).view(1, 1, 4, 5).requires_grad_()
    IFSQ([5])(z).latents.sum().backward()
    p = (1.6 * z.detach()).sigmoid()
    torch.testing.assert_close(z.grad, 1.6 * 2 * p * (1 - p) * 1.001)


def _bits(quantizer, gain=1.0):
    """Entropy of the code of one channel for z ~ gain N(0, 1), from its quantiles."""
    quantiles = (torch.arange(400_000, dtype=torch.float64) + 0.5) / 400_000
    z = gain * torch.special.ndtri(quantiles)
    share = quantizer(z[None, None, None]).codes.flatten().bincount() / len(z)
    return float(-(share * share.log2()).sum())


def test_bits_of_eight_levels_for_normal_latents():
    assert _bits(SFSQ([8])) == pytest.approx(2.568, abs=1e-3)
    assert _bits(FSQ([8])) == pytest.approx(2.967, abs=1e-3)
    assert _bits(IFSQ([8])) == pytest.approx(2.895, abs=1e-3)


def test_bits_without_the_shift_are_those_of_a_wider_sfsq():
    """Rounding (l - 1) (tanh(z) + 1) / 2 or (l - 1) sigmoid(1.6 z): as some count."""
    assert _bits(SFSQ([8]), gain=2.0) == pytest.approx(2.979, abs=1e-3)
    assert _bits(SFSQ([8]), gain=1.6) == pytest.approx(2.908, abs=1e-3)


def test_the_activation_makes_normal_latents_nearly_uniform():
    z = torch.special.ndtri((torch.arange(1000) + 0.5) / 1000)
    uniform = torch.linspace(-1, 1, 1000)
    distance = [
        (quantizer.compared(z[None, None, None]).flatten() - uniform).abs().max()
        for quantizer in (IFSQ([255]), FSQ([255]))
    ]
    assert distance[0] < 0.05 < 0.08 < distance[1]
