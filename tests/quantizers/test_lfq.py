"""LFQ against a softmax over all codes, and against vector-quantize-pytorch."""

import math

import pytest
import torch

from vqx.errors import ConfigError
from vqx.quantizers.base import to_rows
from vqx.quantizers.lfq import LFQ


def latents(bits, *, scale=0.5, seed=0, shape=(2, 4, 3)):
    g = torch.Generator().manual_seed(seed)
    return scale * torch.randn(shape[0], bits, *shape[1:], generator=g)


def all_codes(bits):
    """Every code's vector of +-1, (K, b) float64, in the order of its number."""
    rows = [[1 if code >> i & 1 else -1 for i in range(bits)] for code in range(2**bits)]
    return torch.tensor(rows, dtype=torch.float64)


def slow_loss(z, *, commitment, weight, diversity, temperature, entropy):
    """The loss from distances to all codes, in float64, of z (B, b, h, w)."""
    rows, entries = to_rows(z).double(), all_codes(z.shape[1])
    distances = torch.stack([(rows - entry).square().sum(1) for entry in entries], 1)
    log_p = (-distances / temperature).log_softmax(1)
    p, nearest = log_p.exp(), entries[distances.argmin(1)]
    mean = p.mean(0)
    if entropy == "factorised":
        ones = torch.stack([mean[entries[:, i] > 0].sum() for i in range(z.shape[1])])
        mean = torch.stack([ones, 1 - ones])
    spread = -(mean * mean.clamp(min=1e-300).log()).sum()
    sure = -(p * log_p).sum(1).mean()
    return commitment * (rows - nearest).square().mean() + weight * (sure - diversity * spread)


@pytest.mark.parametrize("entropy", ["exact", "factorised"])
@pytest.mark.parametrize("temperature", [0.01, 0.3, 4.0])
@pytest.mark.parametrize("bits", [1, 2, 5, 8])
def test_loss_and_gradient_equal_the_softmax_over_all_codes(bits, temperature, entropy):
    z = latents(bits, scale=min(0.5, 10 * temperature)).requires_grad_()
    quantizer = LFQ(
        bits,
        commitment=0.3,
        entropy_weight=0.2,
        diversity=0.7,
        temperature=temperature,
        entropy=entropy,
    )
    arguments = {"commitment": 0.3, "weight": 0.2, "diversity": 0.7}
    expected = slow_loss(z, **arguments, temperature=temperature, entropy=entropy)
    loss = quantizer(z).loss
    torch.testing.assert_close(loss.double(), expected, rtol=1e-4, atol=1e-5)
    actual = torch.autograd.grad(loss, z)[0]
    torch.testing.assert_close(actual, torch.autograd.grad(expected, z)[0], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("bits", [1, 3, 7])
def test_codes_are_the_nearest_and_decode_to_the_signs(bits):
    z = latents(bits)
    out = LFQ(bits)(z)
    distances = torch.cdist(to_rows(z).double(), all_codes(bits))
    assert torch.equal(out.codes.flatten(), distances.argmin(1))
    assert torch.equal(to_rows(out.latents).double(), all_codes(bits)[out.codes.flatten()])
    assert torch.equal(LFQ(bits).decode(out.codes), out.latents)


def test_one_bit():
    quantizer = LFQ(1)
    z = torch.tensor([-3.0, -1e-6, 0.0, 1e-6, 2.0]).view(1, 1, 1, 5).requires_grad_()
    out = quantizer(z)
    assert out.codes.flatten().tolist() == [0, 0, 0, 1, 1]
    assert out.latents.flatten().tolist() == [-1, -1, -1, 1, 1]
    out.loss.backward()
    assert z.grad.isfinite().all()


def test_gradient_of_the_latents_passes_straight_through():
    z = latents(6).requires_grad_()
    upstream = latents(6, seed=1)
    assert torch.equal(torch.autograd.grad(LFQ(6)(z).latents, z, upstream)[0], upstream)


def test_exact_entropy_sees_bits_that_always_agree_and_factorised_does_not():
    z = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1).expand(2, 2, 1, 1)
    arguments = {"commitment": 0.0, "entropy_weight": 1.0, "temperature": 0.01}
    exact = LFQ(2, entropy="exact", **arguments)(z).loss
    factorised = LFQ(2, entropy="factorised", **arguments)(z).loss
    assert exact.item() == pytest.approx(-math.log(2))
    assert factorised.item() == pytest.approx(-2 * math.log(2))


def test_attributes():
    quantizer = LFQ(18)
    assert (quantizer.codebook_size, quantizer.latent_channels) == (2**18, 18)
    assert (quantizer.commitment_weight, quantizer.codebook_weight) == (0.25, 0.0)
    assert not list(quantizer.parameters())
    assert LFQ(62, entropy="factorised").codebook_size == 2**62


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bits": 21}, "entropy=factorised"),
        ({"bits": 8, "entropy": "joint"}, "exact, factorised"),
        ({"bits": 8, "temperature": 0.0}, "temperature"),
        ({"bits": 8, "temperature": float("nan")}, "temperature"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        LFQ(**arguments)


def test_agreement_with_vector_quantize_pytorch():
    peer = pytest.importorskip("vector_quantize_pytorch")
    bits, temperature = 8, 1.0
    z = latents(bits, scale=0.3)
    theirs = peer.LFQ(dim=bits, commitment_loss_weight=0.25, entropy_loss_weight=0.1)
    ours = LFQ(bits, entropy_weight=0.1, temperature=temperature)
    x, y = z.clone().requires_grad_(), z.clone().requires_grad_()
    expected = theirs(x, inv_temperature=1 / temperature)
    out = ours(y)
    # Its first channel is the most significant bit.
    assert torch.equal(ours(z.flip(1)).codes, expected.indices)
    assert torch.equal(out.latents.detach(), theirs.eval()(z).quantized)
    torch.testing.assert_close(out.loss, expected.entropy_aux_loss)
    torch.testing.assert_close(
        torch.autograd.grad(out.loss, y)[0], torch.autograd.grad(expected.entropy_aux_loss, x)[0]
    )
