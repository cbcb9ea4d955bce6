"""Gumbel: mixtures in training, the likeliest entry in eval, its schedules."""

import math

import pytest
import torch

from tests.quantizers import reference
from vqx.errors import ConfigError
from vqx.quantizers import check_contracts
from vqx.quantizers.gumbel import Gumbel


def z_of(quantizer, images=2, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(images, quantizer.latent_channels, 5, 3, generator=g)


def make(codebook_size=37, latent_channels=6, **arguments):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        quantizer = Gumbel(codebook_size, latent_channels, **arguments)
        torch.nn.init.normal_(quantizer.logits.bias)
    return quantizer


@pytest.mark.parametrize(("K", "D"), [(37, 6), (1, 4), (12, 1)])
def test_eval_takes_the_entry_of_the_largest_logit_of_each_token(K, D):
    quantizer = make(K, D).eval()
    z = z_of(quantizer)
    out = quantizer.requires_grad_(False)(z)
    for token, code, latent in zip(
        reference.tokens(z), out.codes.flatten(), reference.tokens(out.latents), strict=True
    ):
        logits = [
            float(w @ token.double() + b)
            for w, b in zip(quantizer.logits.weight.double(), quantizer.logits.bias, strict=True)
        ]
        assert code == logits.index(max(logits))
        assert torch.equal(latent, quantizer.codebook[code])
    assert torch.equal(quantizer.decode(out.codes), out.latents)


def test_eval_has_no_noise_and_draws_nothing():
    quantizer = make().eval()
    quantizer.logits.weight.data.mul_(0.01)  # noise would decide
    z, state = z_of(quantizer), torch.get_rng_state()
    first, second = quantizer(z), quantizer(z)
    assert torch.equal(first.codes, second.codes)
    assert torch.equal(first.latents, second.latents)
    assert torch.equal(torch.get_rng_state(), state)


def test_codes_of_training_are_those_of_eval():
    for straight_through in (False, True):
        quantizer = make(straight_through=straight_through)
        quantizer.logits.weight.data.mul_(0.01)
        z = z_of(quantizer)
        assert torch.equal(quantizer.train()(z).codes, quantizer.eval()(z).codes)


def test_training_noise_follows_torchs_seed():
    quantizer, latents = make(), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        latents.append(quantizer(z_of(quantizer)).latents)
    latents.append(quantizer(z_of(quantizer)).latents)
    assert torch.equal(latents[0], latents[1])
    assert not torch.equal(latents[1], latents[2])
    assert not torch.equal(latents[2], latents[3])


def test_training_sees_mixtures_and_straight_through_entries():
    for straight_through in (False, True):
        quantizer = make(straight_through=straight_through, temperature_start=1.0)
        rows = torch.stack(reference.tokens(quantizer(z_of(quantizer)).latents))
        gap = (rows[:, None] - quantizer.codebook).abs().amax(2).amin(1)
        assert (gap == 0).all() if straight_through else (gap > 0.1).float().mean() > 0.5


def test_mean_of_noisy_entries_is_the_mean_under_the_distribution():
    quantizer = make(5, 3, straight_through=True)
    z = z_of(quantizer)[:1, :, :1, :1]
    latents = quantizer(z.expand(1, 3, 200, 200)).latents
    p = quantizer.logits(z.flatten()).softmax(0)
    torch.testing.assert_close(latents.mean((0, 2, 3)), p @ quantizer.codebook, rtol=0, atol=0.03)


SEED_004 = {"kl_weight": 6.6 / 768, "kl_ramp": "0.48 epochs", "temperature_ramp": "15 epochs"}
TAMING = {"kl_weight": 5e-4, "kl_ramp": None, "temperature_end": 1.0, "temperature_ramp": None}
KARPATHY = {"kl_weight": 5e-4, "kl_ramp": 5000, "temperature_ramp": 150_000}


@pytest.mark.parametrize(
    ("arguments", "step", "temperature", "weight"),
    [
        (SEED_004, 0, 1.0, 0.0),
        (SEED_004, 24, 1 - 15 / 16 * (1 - math.cos(math.pi * 24 / 1500)) / 2, 6.6 / 768 / 2),
        (SEED_004, 750, (1 + 1 / 16) / 2, 6.6 / 768),
        (SEED_004, 1501, 1 / 16, 6.6 / 768),
        (TAMING, 0, 1.0, 5e-4),
        (TAMING, 9, 1.0, 5e-4),
        (KARPATHY, 500, 1 - 15 / 16 * (1 - math.cos(math.pi / 300)) / 2, 5e-5),
    ],
)
def test_schedules_of_the_references(arguments, step, temperature, weight):
    quantizer = Gumbel(8, 2, **arguments)
    quantizer.set_epoch_length(100)
    for _ in range(step):
        quantizer.update_codebook()
    out = quantizer(z_of(quantizer))
    assert out.stats["temperature"].item() == pytest.approx(temperature, rel=1e-5)
    assert out.loss.item() == pytest.approx(weight * out.stats["kl"].item(), rel=1e-5)


def test_loss_is_the_weighted_divergence_of_each_token_and_no_more():
    quantizer = make(kl_weight=0.3, kl_ramp=None)
    z = z_of(quantizer)
    expected = 0.0
    for token in reference.tokens(z):
        p = quantizer.logits(token).detach().double().softmax(0)
        expected += 0.3 / 30 * float(sum(p_k * math.log(p_k * 37) for p_k in p))
    for training in (True, False):
        assert quantizer.train(training)(z).loss.item() == pytest.approx(expected, rel=1e-5)
    halves = [quantizer(part).loss for part in z.chunk(2)]
    assert sum(halves).item() / 2 == pytest.approx(expected, rel=1e-5)
    quantizer.penalty.enabled = False
    assert quantizer(z).loss.item() == 0


@pytest.mark.parametrize("straight_through", [False, True])
def test_memory_format_and_autocast_change_nothing(straight_through):
    quantizer = make(straight_through=straight_through)
    z = z_of(quantizer, 4).bfloat16().float()
    expected = quantizer.eval()(z)
    strided = torch.stack([z, z], -1)[..., 0]
    for x in (z.to(memory_format=torch.channels_last), strided, z.bfloat16()):
        for dtype in (torch.bfloat16, torch.float16):
            with torch.autocast("cpu", dtype=dtype):
                out = quantizer(x)
            assert torch.equal(out.codes, expected.codes)
            assert torch.equal(out.latents, expected.latents)
    for training in (True, False):
        quantizer.train(training)
        gradients = []
        for autocast in (False, True):
            torch.manual_seed(0)
            x = z.clone().requires_grad_()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
                out = quantizer(x)
                (out.latents.square().sum() + out.loss).backward()  # within autocast, on purpose
            gradients.append(x.grad)
        assert torch.equal(*gradients)


def test_nan_shows_in_the_loss():
    quantizer = make()
    z = torch.full_like(z_of(quantizer), torch.nan)
    for training in (True, False):
        out = quantizer.train(training)(z)
        assert out.loss.isnan()
        assert out.codes.max() < 37


@pytest.mark.slow
def test_compiled_steps_are_those_without_and_compile_once():
    plain, compiled = make(), make()
    step = torch.compile(compiled, backend="eager")
    torch._dynamo.reset()
    for seed in range(4):
        outputs = []
        for quantizer, forward in ((plain, plain), (compiled, step)):
            torch.manual_seed(seed)
            out = forward(z_of(quantizer))
            (out.latents.sum() + out.loss).backward()
            quantizer.update_codebook()
            outputs.append(out)
        torch.testing.assert_close(outputs[0].latents, outputs[1].latents)
        if seed == 0:
            graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == graphs
    for a, b in zip(plain.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.parametrize("arguments", [{}, {"straight_through": True}, TAMING])
def test_contracts(arguments):
    check_contracts(Gumbel(37, 6, **arguments), device="cpu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"codebook_size": 0}, "codebook_size 0"),
        ({"latent_channels": 2.5}, "latent_channels 2.5"),
        ({"kl_weight": -1.0}, "kl_weight -1.0"),
        ({"kl_start": -1.0}, "kl_start -1.0"),
        ({"kl_ramp": "soon"}, "kl_ramp"),
        ({"temperature_start": 0.0}, "temperature_start 0.0"),
        ({"temperature_end": -0.1}, "temperature_end -0.1"),
        ({"temperature_ramp": 0}, "temperature_ramp"),
        ({"temperature_shape": "cubic"}, "temperature_ramp shape 'cubic'"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Gumbel(**{"codebook_size": 8, "latent_channels": 4, **arguments})
