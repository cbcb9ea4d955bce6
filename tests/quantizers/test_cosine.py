"""Cosine codes: latents and entries are unit vectors for search, loss and decoder alike."""

import pytest
import torch
import torch.nn.functional as F

from tests.quantizers import reference
from tests.quantizers.cases import latents, make, seeded, train

KINDS = ["vq", "ema", "simvq"]


def _made(kind, **arguments):
    return make(kind, distance="cosine", init="normal", **arguments)


@pytest.mark.parametrize("kind", KINDS)
def test_codes_have_the_greatest_cosine_and_latents_are_unit_vectors(kind):
    quantizer, z = _made(kind), 5 * latents(2)
    out = quantizer.eval()(z)
    entries = quantizer.entries().detach()
    for token, code, latent in zip(
        reference.tokens(z), out.codes.flatten(), reference.tokens(out.latents), strict=True
    ):
        cosines = [float(F.cosine_similarity(token, entry, dim=0)) for entry in entries]
        assert cosines[code] == pytest.approx(max(cosines), abs=1e-6)
        assert latent.norm().item() == pytest.approx(1, abs=1e-5)
    assert torch.equal(quantizer(3 * z).codes, out.codes)  # length does not matter


@pytest.mark.parametrize("kind", KINDS)
def test_loss_is_between_unit_vectors(kind):
    quantizer, z = _made(kind, commitment=0.5), latents(2).requires_grad_()
    out = quantizer(z)
    weight = 0.5 if kind == "ema" else 1.5
    unit = F.normalize(z, dim=1)
    assert out.loss.item() == pytest.approx(
        weight * (unit - out.latents).square().mean().item(), rel=1e-4
    )
    actual = torch.autograd.grad(out.loss, z, retain_graph=True)[0]
    expected = torch.autograd.grad(0.5 * F.mse_loss(unit, out.latents.detach()), z)[0]
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-6)
    # A gradient along a latent would only change its length.
    assert (actual * z).sum(1).abs().max() < 1e-5


def test_ema_follows_the_mean_direction():
    quantizer = _made("ema", decay=0.0)
    z = latents(8)
    codes = quantizer(z).codes.flatten()
    quantizer.update_codebook()
    unit = F.normalize(torch.stack(reference.tokens(z)), dim=1)
    for code in codes.unique():
        expected = F.normalize(unit[codes == code].mean(0), dim=0)
        torch.testing.assert_close(quantizer.entries()[code], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("init", ["batch", "kmeans"])
def test_starts_from_data_are_directions(kind, init):
    quantizer = make(kind, distance="cosine", init=init)
    quantizer.initialize(100 * latents(8), generator=seeded())
    torch.testing.assert_close(quantizer.entries().norm(dim=1), torch.ones(24))
    assert quantizer.eval()(latents(8)).stats["commitment_ratio"] < 0.2
    if kind != "simvq":
        assert quantizer.codebook.norm(dim=1).max() < 1 + 1e-3


def test_restart_places_directions():
    quantizer = make("ema", {"interval": 1, "threshold": 0.3}, distance="cosine", init="normal")
    train(quantizer, 3)
    assert quantizer.codebook.norm(dim=1).max() < 1.1


@pytest.mark.parametrize("kind", KINDS)
def test_a_latent_of_0_is_no_nan(kind):
    quantizer = _made(kind)
    z = torch.zeros(1, 6, 2, 2, requires_grad=True)
    out = quantizer(z)
    (out.loss + out.latents.sum()).backward()
    assert out.loss.isfinite()
    assert z.grad.isfinite().all()
