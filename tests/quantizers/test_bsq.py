"""BSQ against softmaxes over each group's codes, and against vector-quantize-pytorch."""

import math

import pytest
import torch

from tests.quantizers import reference
from vqx.errors import ConfigError
from vqx.quantizers.base import to_rows
from vqx.quantizers.bsq import BSQ


def latents(bits, *, scale=2.0, seed=0, shape=(2, 4, 3)):
    g = torch.Generator().manual_seed(seed)
    return scale * torch.randn(shape[0], bits, *shape[1:], generator=g)


def group_entries(bits, size):
    """Every outcome of `size` of `bits` bits as +-1 / sqrt(bits), (2^size, size) float64."""
    rows = [[1 if code >> i & 1 else -1 for i in range(size)] for code in range(2**size)]
    return torch.tensor(rows, dtype=torch.float64) / math.sqrt(bits)


def slow_loss(z, *, group, inverse_temperature, commitment, weight, diversity):
    """The loss from distances of each group to its codes, in float64, of z (B, b, h, w)."""
    bits = z.shape[1]
    rows = to_rows(z).double()
    u = rows / rows.norm(dim=1, keepdim=True)
    q = torch.where(u > 0, 1.0, -1.0).double() / math.sqrt(bits)
    entropies = u.new_zeros(())
    for part in u.split(group, 1):
        entries = group_entries(bits, part.shape[1])
        distances = torch.stack([(part - entry).square().sum(1) for entry in entries], 1)
        p = (-inverse_temperature * distances).softmax(1)
        mean = p.mean(0)
        sure = -(p * p.clamp(min=1e-300).log()).sum(1).mean()
        spread = -(mean * mean.clamp(min=1e-300).log()).sum()
        entropies = entropies + sure - diversity * spread
    return commitment * (u - q).square().mean() + weight * entropies


@pytest.mark.parametrize("inverse_temperature", [1.0, 50.0])
@pytest.mark.parametrize(("bits", "group"), [(2, 9), (4, 1), (6, 6), (6, 2), (7, 3), (11, 9)])
def test_loss_and_gradient_equal_the_softmax_over_each_groups_codes(
    bits, group, inverse_temperature
):
    z = latents(bits).requires_grad_()
    quantizer = BSQ(
        bits,
        group=group,
        inverse_temperature=inverse_temperature,
        commitment=0.3,
        entropy_weight=0.2,
        diversity=0.7,
    )
    expected = slow_loss(
        z,
        group=group,
        inverse_temperature=inverse_temperature,
        commitment=0.3,
        weight=0.2,
        diversity=0.7,
    )
    loss = quantizer(z).loss
    torch.testing.assert_close(loss.double(), expected, rtol=1e-4, atol=1e-5)
    actual = torch.autograd.grad(loss, z)[0]
    torch.testing.assert_close(actual, torch.autograd.grad(expected, z)[0], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("bits", [2, 5, 18])
def test_codes_and_latents_equal_the_slow_version(bits):
    z = latents(bits)
    out = BSQ(bits)(z)
    found = zip(
        reference.tokens(z), out.codes.flatten(), reference.tokens(out.latents), strict=True
    )
    for token, code, latent in found:
        assert code == sum(2**i for i, value in enumerate(token.tolist()) if value > 0)
        expected = [math.copysign(1 / math.sqrt(bits), value) for value in token.tolist()]
        assert latent.tolist() == pytest.approx(expected)
        assert latent.norm().item() == pytest.approx(1)


def test_compared_is_on_the_unit_sphere_whatever_the_length():
    z = latents(7)
    quantizer = BSQ(7)
    for scale in (1e-12, 1.0, 1e12):
        u = quantizer.compared(scale * z)
        torch.testing.assert_close(to_rows(u).norm(dim=1), torch.ones(24))
        torch.testing.assert_close(quantizer(scale * z).loss, quantizer(z).loss)


def test_gradient_of_the_latents_is_that_of_the_normalisation():
    z, upstream = latents(6).requires_grad_(), latents(6, seed=1)
    (actual,) = torch.autograd.grad(BSQ(6)(z).latents, z, upstream)
    norm = z.detach().norm(dim=1, keepdim=True)
    u = z.detach() / norm
    expected = (upstream - u * (u * upstream).sum(1, keepdim=True)) / norm
    torch.testing.assert_close(actual, expected)


def test_no_direction_among_directions_leaves_the_others_alone():
    quantizer, z = BSQ(5, commitment=1.0), latents(5)
    z[0, :, 0, 0] = 0
    z.requires_grad_()
    out = quantizer(z)
    assert out.codes[0, 0, 0] == 0
    (gradient,) = torch.autograd.grad(out.loss + out.latents.square().sum(), z)
    assert gradient.isfinite().all()
    norms = quantizer.compared(z).norm(dim=1)
    assert norms[0, 0, 0] == 0
    assert norms.flatten()[1:].allclose(torch.ones(23))


@pytest.mark.parametrize("bits", [36, 62])
def test_codes_beyond_counting(bits):
    quantizer = BSQ(bits, commitment=0.25)
    z = latents(bits)
    z[0, :, 0, 0] = 1.0
    z.requires_grad_()
    out = quantizer(z)
    assert quantizer.codebook_size == 2**bits
    assert out.codes.max() == 2**bits - 1
    assert out.codes.unique().numel() == out.codes.numel()
    assert torch.equal(quantizer.eval().decode(out.codes), out.latents)
    assert 0.5 < out.stats["bit_entropy"] <= 1
    assert torch.autograd.grad(out.loss, z)[0].isfinite().all()


def test_probability_of_a_bit_is_the_papers():
    """Its code writes sigmoid(-4 u T / sqrt(D)), which is that of the bit 0."""
    quantizer = BSQ(4, group=1, inverse_temperature=3.0)
    z = latents(4, shape=(1, 1, 1))
    mean = quantizer._mean_outcomes(quantizer.compared(z))
    u = z.flatten() / z.norm()
    torch.testing.assert_close(mean[:, 0], torch.sigmoid(-4 * u * 3.0 / math.sqrt(4)))
    torch.testing.assert_close(mean.sum(1), torch.ones(4))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bits": 1}, "bits 1: .* no gradient"),
        ({"group": 0}, "group 0"),
        ({"group": 21}, "group 21"),
        ({"group": 2.0}, "group 2.0"),
        ({"inverse_temperature": -1.0}, "inverse_temperature"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        BSQ(**{"bits": 8, **arguments})


def test_agreement_with_vector_quantize_pytorch():
    peer = pytest.importorskip("vector_quantize_pytorch")
    bits = 8
    z = latents(bits)
    theirs = peer.LFQ(dim=bits, spherical=True, commitment_loss_weight=0.25)
    ours = BSQ(bits, group=bits, inverse_temperature=3.0, commitment=0.25)
    x, y = z.clone().requires_grad_(), z.clone().requires_grad_()
    expected, out = theirs(x, inv_temperature=3.0), ours(y)
    assert torch.equal(ours(z.flip(1)).codes, expected.indices)  # its first bit is the highest
    torch.testing.assert_close(out.latents.detach(), theirs.eval()(z).quantized)
    torch.testing.assert_close(out.loss, expected.entropy_aux_loss)
    actual = torch.autograd.grad(out.loss, y)[0]
    torch.testing.assert_close(actual, torch.autograd.grad(expected.entropy_aux_loss, x)[0])
