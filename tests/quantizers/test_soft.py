"""SoftQuantize's variants token by token, where their gradients go, and which is discrete."""

import pytest
import torch
import torch.nn.functional as F

from tests.quantizers import reference
from vqx.errors import ConfigError
from vqx.quantizers import check_contracts
from vqx.quantizers.soft import SoftQuantize

VARIANTS = ["softmax", "attention", "argmax"]
SOFT = ["softmax", "attention"]


def make(variant, codebook_size=37, latent_channels=6):
    """With a normalization that has learned something."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        quantizer = SoftQuantize(codebook_size, latent_channels, variant=variant)
        torch.nn.init.normal_(quantizer.norm.weight)
        torch.nn.init.normal_(quantizer.norm.bias)
    return quantizer


def z_of(quantizer, seed=0):
    g = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(2, quantizer.latent_channels, 5, 3, generator=g) + 1


def normalized(quantizer, token):
    token = token.double()
    u = (token - token.mean()) / (token.var(unbiased=False) + 1e-5).sqrt()
    return u * quantizer.norm.weight.double() + quantizer.norm.bias.double()


def slow(quantizer, token):
    """Latent and code of one token, in float64."""
    u, codebook = normalized(quantizer, token), quantizer.codebook.double()
    scores = torch.stack([u @ entry for entry in codebook])
    code = int(scores.argmax())
    if quantizer.variant == "argmax":
        return codebook[code], code
    p = (scores / len(u) ** 0.5).softmax(0)
    return sum(p_k * entry for p_k, entry in zip(p, codebook, strict=True)), code


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("K", "D"), [(37, 6), (1, 4), (12, 3)])
def test_latents_and_codes_equal_the_slow_version(K, D, variant):
    quantizer = make(variant, K, D)
    z = z_of(quantizer)
    for training in (True, False):
        out = quantizer.train(training)(z)
        for token, code, latent in zip(
            reference.tokens(z), out.codes.flatten(), reference.tokens(out.latents), strict=True
        ):
            expected, expected_code = slow(quantizer, token)
            assert code == expected_code
            torch.testing.assert_close(latent, expected, rtol=1e-4, atol=1e-5, check_dtype=False)
        assert out.loss.item() == 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_go_where_the_variant_says(variant):
    quantizer = make(variant)
    z = z_of(quantizer).requires_grad_()
    upstream = torch.randn(z.shape)
    tokens = reference.tokens(z)
    u = torch.stack([normalized(quantizer, token) for token in tokens])
    at_latents = torch.stack(reference.tokens(upstream)).double()
    # What a variant's gradient is that of: straight through to u, or through everything.
    if variant == "softmax":
        objective = (u * at_latents).sum()
    else:
        latents = torch.stack([slow(quantizer, token)[0] for token in tokens])
        straight = latents if variant == "attention" else (latents + u) / 2
        objective = (straight * at_latents).sum()
    wanted = [z, *quantizer.parameters()]
    expected = torch.autograd.grad(objective, wanted)
    actual = torch.autograd.grad(quantizer(z).latents, wanted, upstream)
    for ours, theirs in zip(actual, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert isinstance(quantizer.codebook, torch.nn.Parameter) == (variant != "softmax")


def _relative_error(quantizer):
    with torch.no_grad():
        out = quantizer.eval()(z_of(quantizer))
        entries = quantizer.decode(out.codes)
        return ((out.latents - entries).norm() / entries.norm()).item()


@pytest.mark.parametrize("variant", SOFT)
def test_mixtures_are_far_from_their_codes_and_say_so(variant):
    quantizer = SoftQuantize(512, 64, variant=variant)
    assert not quantizer.discrete
    assert _relative_error(quantizer) > 0.5


def test_argmax_is_discrete_to_the_bit():
    quantizer = make("argmax")
    assert quantizer.discrete
    assert _relative_error(quantizer) == 0
    out = quantizer.train()(z_of(quantizer))
    assert torch.equal(quantizer.decode(out.codes), out.latents)


@pytest.mark.parametrize("variant", VARIANTS)
def test_codes_decode_to_entries_in_any_shape(variant):
    quantizer = make(variant)
    codes = torch.randint(0, 37, (3, 1, 4))
    latents = quantizer.decode(codes)
    assert latents.shape == (3, 6, 1, 4)
    assert torch.equal(latents[2, :, 0, 1], quantizer.codebook[codes[2, 0, 1]])


@pytest.mark.parametrize("variant", VARIANTS)
def test_memory_format_and_autocast_change_nothing(variant):
    quantizer = make(variant).eval()
    z = z_of(quantizer).bfloat16().float()
    expected = quantizer(z)
    strided = torch.stack([z, z], -1)[..., 0]
    for x in (z.to(memory_format=torch.channels_last), strided, z.bfloat16()):
        for dtype in (torch.bfloat16, torch.float16):
            with torch.autocast("cpu", dtype=dtype):
                out = quantizer(x)
            assert torch.equal(out.codes, expected.codes)
            assert torch.equal(out.latents, expected.latents)


@pytest.mark.parametrize("variant", VARIANTS)
def test_compared_is_the_normalized_latent(variant):
    quantizer = make(variant)
    z = z_of(quantizer)
    expected = torch.stack([normalized(quantizer, token) for token in reference.tokens(z)])
    actual = torch.stack(reference.tokens(quantizer.compared(z)))
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5, check_dtype=False)


@pytest.mark.parametrize("variant", VARIANTS)
def test_nan_shows_in_the_loss_or_the_latents(variant):
    quantizer = make(variant)
    z = z_of(quantizer)
    z[0, 0, 0, 0] = torch.nan
    out = quantizer(z)
    assert out.loss.isnan() or out.latents.isnan().any()
    assert out.codes.max() < 37


@pytest.mark.parametrize("variant", VARIANTS)
def test_state_is_saved_and_drawn_anew(variant):
    quantizer, other = make(variant), SoftQuantize(37, 6, variant=variant)
    other.load_state_dict(quantizer.state_dict())
    assert torch.equal(other(z_of(quantizer)).latents, quantizer(z_of(quantizer)).latents)
    other.reset_parameters()
    assert not torch.equal(other.codebook, quantizer.codebook)
    assert torch.equal(
        F.layer_norm(z_of(other).movedim(1, -1), (6,)), other.compared(z_of(other)).movedim(1, -1)
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_contracts(variant):
    check_contracts(SoftQuantize(37, 6, variant=variant), device="cpu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"codebook_size": 0}, "codebook_size 0"),
        ({"latent_channels": 1}, "latent_channels 1: .*LayerNorm"),
        ({"latent_channels": 2}, "latent_channels 2: .*LayerNorm"),
        ({"variant": "product"}, "variant 'product'"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        SoftQuantize(**{"codebook_size": 8, "latent_channels": 4, **arguments})
