"""SFSQ against its equation, channel by channel."""

import math

import pytest
import torch

from tests.quantizers import reference
from vqx.quantizers.sfsq import SFSQ


def _slow(z, levels):
    """Code and latent of one token."""
    code, basis, latent = 0, 1, []
    for value, level in zip(z, levels, strict=True):
        digit = round((level - 1) / (1 + math.exp(-value)))
        latent.append(digit / (level - 1))
        code += digit * basis
        basis *= level
    return code, latent


@pytest.mark.parametrize("levels", [[8, 5, 5, 5], [2], [2, 3, 2], [256, 7]])
def test_codes_and_latents_equal_the_slow_version(levels):
    z = 3 * torch.randn(4, len(levels), 5, 5, generator=torch.Generator().manual_seed(1))
    out = SFSQ(levels)(z)
    latents = torch.stack(reference.tokens(out.latents))
    for token, code, latent in zip(reference.tokens(z), out.codes.flatten(), latents, strict=True):
        expected_code, expected_latent = _slow(token.tolist(), levels)
        assert code == expected_code
        torch.testing.assert_close(latent, torch.tensor(expected_latent))


def test_latents_are_all_levels_from_zero_to_one():
    z = torch.linspace(-20, 20, 10_001)[None, None, None]
    latents = SFSQ([5])(z).latents
    assert latents.unique().tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_first_channel_varies_fastest():
    latents = SFSQ([3, 5]).decode(torch.arange(4).view(1, 1, 4))[0, :, 0].T
    assert latents.tolist() == [[0, 0], [0.5, 0], [1, 0], [0, 0.25]]


def test_gradient_is_the_slope_of_the_sigmoid():
    z = torch.linspace(-3, 3, 40).view(1, 2, 4, 5).requires_grad_()
    SFSQ([8, 2])(z).latents.sum().backward()
    p = z.detach().sigmoid()
    torch.testing.assert_close(z.grad, p * (1 - p))
