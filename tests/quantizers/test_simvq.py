"""SimVQ: entries are E W everywhere, and only W learns."""

import pytest
import torch

from tests.quantizers import reference
from tests.quantizers.cases import latents, make, seeded
from vqx.errors import ConfigError
from vqx.quantizers import Restart, SimVQ


def _entries(quantizer):
    """E W one code at a time."""
    W = quantizer.weight.detach().T
    return torch.stack([e @ W for e in quantizer.codebook])


def test_codes_latents_and_loss_equal_the_slow_version():
    quantizer, z = make("simvq", commitment=0.3), latents(2)
    out, entries = quantizer(z), _entries(quantizer)
    expected = reference.nearest(torch.stack(reference.tokens(z)), entries)
    assert out.codes.flatten().tolist() == expected
    latent = torch.stack(reference.tokens(out.latents))
    torch.testing.assert_close(latent, entries[expected])  # W is not forgotten in the lookup
    assert out.loss.item() == pytest.approx(reference.vq_loss(z, entries, 0.3), rel=1e-4)


@pytest.mark.parametrize(("beta_legacy", "at_codebook"), [(False, 1.0), (True, 0.3)])
def test_the_codebook_term_trains_the_layer_alone(beta_legacy, at_codebook):
    quantizer = make("simvq", commitment=0.3, beta_legacy=beta_legacy)
    z = latents(2)
    out = quantizer(z)
    out.loss.backward()
    assert [name for name, _ in quantizer.named_parameters()] == ["weight"]
    expected = torch.zeros(6, 6)
    for token, code in zip(reference.tokens(z), out.codes.flatten(), strict=True):
        e = quantizer.codebook[code]
        gap = quantizer.weight.detach() @ e - token  # q - z
        expected += at_codebook * 2 / z.numel() * torch.outer(gap, e)
    torch.testing.assert_close(quantizer.weight.grad, expected, rtol=1e-4, atol=1e-5)


def test_a_step_of_the_layer_moves_codes_that_no_token_uses():
    quantizer = make("simvq")
    optimizer = torch.optim.SGD(quantizer.parameters(), lr=0.1)
    before = quantizer.entries().detach().clone()
    out = quantizer(latents(1))
    out.loss.backward()
    optimizer.step()
    unused = ~torch.isin(torch.arange(24), out.codes)
    assert unused.any()
    assert ((quantizer.entries() - before).norm(dim=1) > 0)[unused].all()


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("init", ["batch", "kmeans"])
def test_a_start_from_data_puts_the_entries_there(init, distance):
    quantizer, z = make("simvq", init=init, distance=distance), latents(4)
    quantizer.initialize(z, generator=seeded())
    out = quantizer.eval()(z)
    if init == "batch":  # each entry is a latent: those latents have no error
        gap = (quantizer.compared(z) - out.latents).square().sum(1)
        assert (gap < 1e-4).sum() >= 24
    else:
        assert out.stats["commitment_ratio"] < 0.2
    assert len(out.codes.unique()) > 20


def test_a_restart_moves_the_frozen_rows_so_that_entries_land_on_latents():
    quantizer = make("simvq", {"interval": 1, "threshold": 0.2})
    z = 10 + latents(32)
    quantizer(z)
    quantizer.update_codebook(generator=seeded())
    distance = torch.cdist(quantizer.entries(), torch.stack(reference.tokens(z))).amin(1)
    assert (distance < 1e-2).sum() > 10


def test_starts_as_published():
    torch.manual_seed(0)
    quantizer = SimVQ(4096, 64)
    assert quantizer.codebook.std().item() == pytest.approx(1 / 8, rel=0.01)
    assert quantizer.weight.abs().max() <= 1 / 8
    assert quantizer.restart is None
    assert SimVQ(8, 2, restart=Restart("cvq")).restart.policy == "cvq"
    with pytest.raises(ConfigError, match="commitment -1"):
        SimVQ(8, 2, commitment=-1)
