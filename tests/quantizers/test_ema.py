"""EMA against its equations, one code at a time."""

import pytest
import torch

from tests.quantizers import reference
from tests.quantizers.cases import latents, make, seeded, train
from vqx.errors import ConfigError
from vqx.quantizers import EMA


@pytest.mark.parametrize(
    "start",
    [{"ema_init": "zeros"}, {"ema_init": "ones"}]
    + [{"init": init} for init in ("uniform", "normal", "batch", "kmeans")],
    ids=lambda start: next(iter(start.values())),
)
@pytest.mark.parametrize("decay", [0.0, 0.9, 0.99])
def test_state_follows_the_slow_version(start, decay):
    quantizer = make("ema", decay=decay, eps=1e-3, **start)
    quantizer.initialize(latents(8), generator=seeded())
    slow = reference.EMA(quantizer.codebook, quantizer.counts, quantizer.sums)
    for step in range(3):
        z = latents(2, seed=step)
        quantizer(z)
        quantizer.update_codebook()
        slow.step(z, decay, 1e-3)
    torch.testing.assert_close(quantizer.counts.double(), slow.N, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(quantizer.sums.double(), slow.M, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(quantizer.codebook.double(), slow.E, rtol=1e-4, atol=1e-5)


def test_a_steady_batch_draws_each_code_to_its_mean_whatever_the_batch_size():
    for batch in (2, 16):
        quantizer, z = make("ema", init="kmeans", decay=0.5), latents(batch)
        quantizer.initialize(z, generator=seeded())
        for _ in range(40):
            out = quantizer(z)
            quantizer.update_codebook()
        rows, codes = torch.stack(reference.tokens(z)), out.codes.flatten()
        for code in codes.unique():
            mean = rows[codes == code].mean(0)
            torch.testing.assert_close(quantizer.codebook[code], mean, rtol=1e-3, atol=1e-3)


def test_codes_of_far_latents_follow_them():
    """Counts and sums see the latents, not the entries: E is not pulled to where it was."""
    quantizer = EMA(1, 2, ema_init="ones", decay=0.9)
    z = torch.full((1, 2, 2, 2), 5.0)
    for _ in range(100):
        quantizer(z)
        quantizer.update_codebook()
    torch.testing.assert_close(quantizer.codebook, torch.full((1, 2), 5.0), rtol=1e-3, atol=0)


def test_what_zeros_and_ones_mean():
    zeros, ones = make("ema", ema_init="zeros"), make("ema", ema_init="ones")
    assert (zeros.counts == 0).all()
    assert (ones.counts == 1).all()
    assert EMA(4096, 64, ema_init="ones").codebook.std().item() == pytest.approx(1, rel=0.01)
    before = ones.codebook.clone()
    for quantizer in (zeros, ones):
        assert torch.equal(quantizer.sums, before)
        unused = ~torch.isin(torch.arange(24), quantizer(latents(1)).codes)
        quantizer.update_codebook()
    torch.testing.assert_close(ones.codebook[unused], before[unused], rtol=1e-3, atol=0)
    assert zeros.codebook[unused].norm(dim=1).min() > 1e4  # thrown out of reach, as documented


@pytest.mark.parametrize("init", ["batch", "kmeans"])
def test_initialisation_sets_all_three(init):
    quantizer = make("ema", init=init)
    quantizer.initialize(latents(4))
    torch.testing.assert_close(quantizer.sums, quantizer.codebook * quantizer.counts[:, None])
    assert (quantizer.counts > 0.01).all()


def test_loss_is_the_commitment_alone():
    quantizer = make("ema", ema_init="ones", commitment=0.3)
    z = latents(2).requires_grad_()
    out = quantizer(z)
    out.loss.backward()
    torch.testing.assert_close(z.grad, 0.3 * 2 * (z - out.latents).detach() / z.numel())
    assert not list(quantizer.parameters())


def test_the_state_keeps_its_identity():
    quantizer = make("ema", ema_init="ones")
    before = [quantizer.codebook, quantizer.counts, quantizer.sums]
    train(quantizer, 2)
    after = [quantizer.codebook, quantizer.counts, quantizer.sums]
    assert all(a is b for a, b in zip(after, before, strict=True))


def test_an_unused_code_decays_slowly_to_nothing_and_stays_finite():
    quantizer = EMA(2, 1, ema_init="ones", restart=None)
    quantizer.codebook.copy_(torch.tensor([[0.0], [9.0]]))
    quantizer.sums.copy_(quantizer.codebook)
    for step in range(1500):
        quantizer(torch.zeros(1, 1, 2, 2))
        quantizer.update_codebook()
        if step == 100:
            assert quantizer.codebook[1].item() == pytest.approx(9, rel=0.01)
    assert quantizer.codebook.isfinite().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ema_init": "batch"}, "ema_init 'batch': use init=batch"),
        ({"ema_init": "some"}, "ema_init 'some': use zeros, ones or null"),
        ({"ema_init": "ones", "init": "batch"}, "each is a start of its own"),
        ({"ema_init": "ones", "init": "kmeans"}, "each is a start of its own"),
        ({"init": "zeros"}, "EMA init 'zeros': as a start of published code it is ema_init=zeros"),
        ({"init": "some"}, "EMA init 'some': use one of"),
        ({"decay": 1.0}, "decay"),
        ({"eps": 0.0}, "eps"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        EMA(4, 2, **arguments)
