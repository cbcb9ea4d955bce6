"""FSQ against its equations, channel by channel."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.quantizers import reference
from vqx.errors import ConfigError
from vqx.quantizers import FSQ

PAPER = {
    (8, 6, 5): 240,
    (8, 5, 5, 5): 1000,
    (7, 5, 5, 5, 5): 4375,
    (8, 8, 8, 6, 5): 15360,
    (8, 8, 8, 5, 5, 5): 64000,
}
levels_lists = st.lists(st.integers(2, 16), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None)
@given(levels=levels_lists, shift=st.sampled_from(["atanh", "tan"]), seed=st.integers(0, 99))
def test_codes_and_latents_equal_the_slow_version(levels, shift, seed):
    z = 3 * torch.randn(2, len(levels), 3, 2, generator=torch.Generator().manual_seed(seed))
    out = FSQ(levels, fsq_shift=shift)(z)
    codes, latents = out.codes.flatten(), torch.stack(reference.tokens(out.latents))
    for token, code, latent in zip(reference.tokens(z), codes, latents, strict=True):
        expected_code, expected_latent = reference.fsq(token.tolist(), levels, shift=shift)
        if _near_a_boundary(token.tolist(), levels, shift):
            continue
        assert code == expected_code
        torch.testing.assert_close(latent, torch.tensor(expected_latent))


def _near_a_boundary(z, levels, shift, eps=1e-3):
    """Whether float32 may round one of a token's channels the other way."""
    for value, level in zip(z, levels, strict=True):
        half, offset = (level - 1) * (1 + eps) / 2, 0.5 - level % 2 / 2
        y = math.tanh(value + getattr(math, shift)(offset / half)) * half - offset
        if abs(y - math.floor(y) - 0.5) < 1e-5:
            return True
    return False


def test_gradient_is_the_slope_of_tanh_in_units_of_latents():
    z = torch.linspace(-3, 3, 40).view(1, 2, 4, 5).requires_grad_()
    FSQ([8, 5])(z).latents.sum().backward()
    slope = 1 - torch.stack([z[:, 0] + math.atanh(0.5 / 3.5035), z[:, 1]], 1).tanh() ** 2
    expected = slope * torch.tensor([3.5035 / 4, 2.002 / 2])[:, None, None]
    torch.testing.assert_close(z.grad, expected)


@pytest.mark.parametrize("levels", [[8, 5, 5, 5], [3, 4], [7, 5, 5, 5, 5], [8, 8, 8, 5, 5, 5]])
def test_agrees_with_vector_quantize_pytorch(levels):
    peer = pytest.importorskip("vector_quantize_pytorch").FSQ(levels)
    z = 2 * torch.randn(4, len(levels), 16, 16, generator=torch.Generator().manual_seed(0))
    peer_latents, peer_codes = peer(z)
    out = FSQ(levels)(z)
    assert torch.equal(out.codes, peer_codes.long())
    torch.testing.assert_close(out.latents, peer_latents)


# The narrow range with atanh is undefined for two levels, and refused: see the last test.
@pytest.mark.parametrize(("shift", "eps"), [("atanh", 1e-3), ("tan", 1e-3), ("tan", -1e-3)])
@pytest.mark.parametrize("level", [2, 3, 4, 5, 8, 16, 255, 256])
def test_every_level_is_reached(level, eps, shift):
    _assert_reached(level, eps, shift)


@pytest.mark.parametrize("level", [3, 4, 5, 8, 16, 255, 256])
def test_the_narrow_range_reaches_every_level_above_two(level):
    _assert_reached(level, -1e-3, "atanh")


def _assert_reached(level, eps, shift):
    quantizer = FSQ([level], fsq_shift=shift, eps=eps)
    z = torch.cat([torch.linspace(-12, 12, 200_001), torch.tensor([-1e9, 1e9])])
    codes = quantizer(z[None, None, None]).codes
    assert codes.unique().tolist() == list(range(level))


@pytest.mark.parametrize("levels", [[2], [2, 2, 2], [4, 3], [8, 5, 5], [3, 2, 5]])
def test_codes_are_a_bijection_that_encoding_keeps(levels):
    quantizer = FSQ(levels).eval()
    codes = torch.arange(quantizer.codebook_size).view(1, 1, -1)
    latents = quantizer.decode(codes)
    assert len(latents[0, :, 0].T.unique(dim=0)) == quantizer.codebook_size
    # Latents that the activation brings back to the middle of their own cell.
    inside = (latents / quantizer.unit + quantizer.offset) / quantizer.reach
    z = (inside.clamp(0.0001, 0.9999).logit() - quantizer.shift) / quantizer.gain
    out = quantizer(z)
    assert torch.equal(out.codes, codes)
    assert torch.equal(out.latents, latents)


def test_first_channel_varies_fastest():
    latents = FSQ([3, 5]).decode(torch.arange(4).view(1, 1, 4))[0, :, 0].T
    assert latents.tolist() == [[-1, -1], [0, -1], [1, -1], [-1, -0.5]]


@pytest.mark.parametrize(("levels", "K"), PAPER.items())
def test_codebook_sizes_of_the_paper(levels, K):
    quantizer = FSQ(list(levels))
    assert (quantizer.codebook_size, quantizer.latent_channels) == (K, len(levels))
    last = quantizer(torch.full((1, len(levels), 1, 1), 99.0)).codes
    assert last.item() == K - 1


@pytest.mark.parametrize(("shift", "largest"), [("atanh", (0, 1e-5)), ("tan", (0.03, 0.1))])
def test_zero_is_a_grid_point_unless_the_shift_is_the_published_slip(shift, largest):
    at_zero = FSQ([2, 4, 8], fsq_shift=shift).compared(torch.zeros(1, 3, 1, 1)).abs().max().item()
    assert largest[0] <= at_zero < largest[1]


def test_bf16_input_gives_the_codes_of_its_float32_values():
    z = (2 * torch.randn(4, 4, 8, 8)).bfloat16()
    quantizer = FSQ([8, 5, 5, 5])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = quantizer(z)
    assert torch.equal(out.codes, quantizer(z.float()).codes)


def test_latents_stay_between_minus_one_and_one():
    latents = FSQ([2, 3, 6, 7])(10 * torch.randn(2, 4, 8, 8)).latents
    assert latents.abs().max() <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"levels": [8], "fsq_shift": "tanh"}, "fsq_shift"),
        ({"levels": [2], "eps": -1e-3}, "no latent reaches"),
        ({"levels": [5, 2001]}, "FSQ level 2001"),
        ({"levels": [8], "eps": 0.5}, "FSQ level 8"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        FSQ(**arguments)
