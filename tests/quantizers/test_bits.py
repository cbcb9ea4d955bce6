"""Bits: codes, entropies against tables of all outcomes, and what LFQ and BSQ share."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from vqx.collectives import rank, world_size
from vqx.errors import ConfigError
from vqx.quantizers import bits as module
from vqx.quantizers.bits import bit_entropies, mean_bit_entropy, mean_outcomes, to_bits, to_codes
from vqx.quantizers.bsq import BSQ
from vqx.quantizers.lfq import LFQ

FAMILIES = pytest.mark.parametrize("family", [LFQ, BSQ])
EXTREME = [0.0, 1e-3, -1e-3, 5.0, -20.0, 88.0, -95.0, 104.0, -1e6, 3e38, math.inf, -math.inf]


def randn(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def table(logits):
    """Probabilities (N, 2^b) of every outcome of soft bits of logits (b, N), one at a time."""
    ones = logits.sigmoid()
    columns = []
    for outcome in range(2 ** len(logits)):
        chosen = [p if outcome >> i & 1 else 1 - p for i, p in enumerate(ones)]
        columns.append(math.prod(chosen))
    return torch.stack(columns, 1)


@pytest.mark.parametrize("bits", [1, 2, 31, 32, 53, 62])
def test_codes_are_binary_numbers_of_which_the_first_bit_is_worth_one(bits):
    digits = randn(2, bits, 3, 2) > 0
    digits[0, :, 0, 0], digits[0, :, 0, 1] = True, False
    codes = to_codes(digits)
    for b, y, x in itertools.product(range(2), range(3), range(2)):
        column = digits[b, :, y, x].tolist()
        assert codes[b, y, x] == sum(2**i for i, digit in enumerate(column) if digit)
    assert codes[0, 0, :2].tolist() == [2**bits - 1, 0]
    assert torch.equal(to_bits(codes, bits), digits)


def test_bit_entropies_equal_those_of_two_outcomes():
    logits = (6 * randn(50, dtype=torch.float64)).requires_grad_()
    p = torch.stack([logits.sigmoid(), 1 - logits.sigmoid()])
    torch.testing.assert_close(bit_entropies(logits), -(p * p.log()).sum(0))
    assert torch.autograd.gradcheck(bit_entropies, logits)


def test_entropies_and_gradients_are_finite_however_sure_a_bit_is():
    logits = torch.tensor([EXTREME]).requires_grad_()
    entropies = bit_entropies(logits)
    assert ((entropies >= 0) & (entropies <= math.log(2) + 1e-6)).all()
    assert entropies[0, 0].item() == pytest.approx(math.log(2))
    mean = mean_outcomes(logits.expand(3, -1), 2)
    (gradient,) = torch.autograd.grad(entropies.sum() + module.entropy(mean).sum(), logits)
    assert gradient.isfinite().all()


def test_small_entropies_keep_their_relative_precision():
    logits = torch.tensor([10.0, -15.0, 17.5, 30.0, -60.0]).requires_grad_()
    entropies = bit_entropies(logits)
    rare = torch.exp(-logits.detach().double().abs())
    torch.testing.assert_close(entropies.double(), rare * (1 - rare.log()), rtol=2e-4, atol=0)
    (gradient,) = torch.autograd.grad(entropies.sum(), logits)
    torch.testing.assert_close(gradient.double(), -logits.double() * rare, rtol=2e-4, atol=0)


@settings(max_examples=25, deadline=None)
@given(
    bits=st.integers(1, 9), group=st.integers(1, 11), tokens=st.integers(1, 20), seed=st.integers(0)
)
def test_mean_outcomes_equal_the_mean_of_the_table(bits, group, tokens, seed):
    logits = 3 * randn(bits, tokens, seed=seed % 1000, dtype=torch.float64)
    mean = mean_outcomes(logits, group)
    starts = range(0, bits, group)
    assert mean.shape == (len(starts), 2 ** min(group, bits))
    for row, start in zip(mean, starts, strict=True):
        expected = table(logits[start : start + group]).mean(0)
        torch.testing.assert_close(row[: len(expected)], expected)
        assert not row[len(expected) :].any()


@pytest.mark.parametrize("group", [1, 2, 3, 5])
def test_gradient_of_mean_outcomes_whatever_the_parts(monkeypatch, group):
    logits = (2 * randn(5, 7, dtype=torch.float64)).requires_grad_()
    whole = mean_outcomes(logits, group)
    monkeypatch.setattr(module, "PROBABILITIES", 60)
    assert 1 < len(module._parts(logits[None])) < 7
    torch.testing.assert_close(mean_outcomes(logits, group), whole)
    assert torch.autograd.gradcheck(lambda x: mean_outcomes(x, group), logits)


def test_rare_outcomes_keep_their_relative_precision():
    logits = torch.tensor([[25.0]]).requires_grad_()
    mean = mean_outcomes(logits, 1)
    assert mean[0, 0].item() == pytest.approx(math.exp(-25), rel=1e-4)
    (gradient,) = torch.autograd.grad((mean * torch.tensor([1.0, 3.0])).sum(), logits)
    assert gradient.item() == pytest.approx(2 * math.exp(-25), rel=1e-4)


class Sizes(TorchDispatchMode):
    """Notes the largest tensor that any operation makes, in elements."""

    largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        made = out if isinstance(out, list | tuple) else [out]
        numbers = [x.untyped_storage().nbytes() // 4 for x in made if isinstance(x, torch.Tensor)]
        self.largest = max([self.largest, *numbers])
        return out


@pytest.mark.parametrize(("make", "K"), [(lambda: LFQ(16), 1 << 16), (lambda: BSQ(18), 1 << 10)])
def test_memory_grows_with_neither_tokens_times_codes_nor_parts(monkeypatch, make, K):
    monkeypatch.setattr(module, "PROBABILITIES", 1 << 16)
    quantizer = make()
    z = randn(2, quantizer.bits, 64, 32).requires_grad_()
    with Sizes() as sizes:
        quantizer(z).loss.backward()
    assert sizes.largest <= max(1 << 16, 2 * z.numel(), 2 * K)  # int64 counts twice


def test_mean_bit_entropy_is_one_for_even_bits_and_zero_for_constant_ones():
    bits = torch.zeros(2, 3, 2, 2, dtype=torch.bool)
    bits[0, 0], bits[:, 1] = True, True
    assert mean_bit_entropy(bits[:, :1]).item() == pytest.approx(1)
    assert mean_bit_entropy(bits).item() == pytest.approx(1 / 3)


@FAMILIES
def test_a_nan_shows_in_latents_and_loss_and_keeps_codes_in_range(family):
    quantizer = family(4)
    z = randn(2, 4, 2, 2)
    z[0, 1, 0, 0] = torch.nan
    out = quantizer(z)
    assert out.latents[0, 1, 0, 0].isnan()
    assert out.latents[1].isfinite().all()
    assert out.loss.isnan()
    assert ((out.codes >= 0) & (out.codes < 16)).all()


@FAMILIES
def test_zero_has_code_zero_and_a_finite_gradient(family):
    quantizer = family(5, commitment=1.0)
    z = torch.zeros(2, 5, 3, 3, requires_grad=True)
    out = quantizer(z)
    assert not out.codes.any()
    assert (out.latents < 0).all()
    (gradient,) = torch.autograd.grad(out.loss + out.latents.square().sum(), z)
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


@FAMILIES
def test_all_tokens_on_one_code(family):
    quantizer = family(12)
    z = randn(1, 12, 1, 1).expand(4, 12, 8, 8).clone().requires_grad_()
    out = quantizer(z)
    assert out.codes.unique().numel() == 1
    assert out.stats["bit_entropy"] == 0
    (gradient,) = torch.autograd.grad(out.loss, z)
    assert gradient.isfinite().all()


@FAMILIES
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_codes_and_loss_in_autocast_are_those_of_float32(family, dtype):
    quantizer = family(10)
    z = randn(2, 10, 8, 8).to(dtype)
    expected = quantizer(z.float())
    with torch.autocast("cpu", dtype=dtype):
        out = quantizer(z)
        survey = quantizer._mean_outcomes(quantizer.compared(z.float()))
    assert survey.dtype == out.latents.dtype == torch.float32
    assert torch.equal(out.codes, expected.codes)
    assert torch.equal(out.latents, expected.latents)
    assert torch.equal(out.loss, expected.loss)


@FAMILIES
def test_memory_format_does_not_matter(family):
    quantizer, z = family(6), randn(3, 6, 5, 4)
    expected = quantizer(z)
    wide = torch.stack([z, z], -1)
    for same in (z.to(memory_format=torch.channels_last), wide[..., 0]):
        assert not same.is_contiguous()
        out = quantizer(same)
        assert torch.equal(out.codes, expected.codes)
        assert torch.equal(out.latents, expected.latents)
        assert out.latents.is_contiguous()
        assert out.codes.is_contiguous()
        torch.testing.assert_close(out.loss, expected.loss)
        assert quantizer.decode(same[:, 0].long().clamp(0, 63)).is_contiguous()


CASES = [(LFQ, {"entropy": "exact"}), (LFQ, {"entropy": "factorised"}), (BSQ, {"group": 4})]
SPLIT = pytest.mark.parametrize(("family", "arguments"), CASES)


def _step(family, arguments, sizes):
    """Loss, and gradient of this rank's images, of the second step, in micro-batches of `sizes`."""
    torch.manual_seed(0)
    quantizer = family(6, commitment=0.5, entropy_ramp=4, entropy_start=0.1, **arguments)
    for step in range(2):
        z = randn(8, 6, 3, 2, seed=step) * torch.linspace(0.05, 1, 8)[:, None, None, None]
        mine = sizes[rank()] if world_size() > 1 else sizes
        begin = sum(map(sum, sizes[: rank()])) if world_size() > 1 else 0
        z = z[begin : begin + sum(mine)].requires_grad_()
        micros = z.split(mine)
        if len(mine) > 1:
            assert quantizer.needs_survey
            for micro in micros:
                quantizer.survey(micro)
        loss = sum(quantizer(micro).loss * len(micro) / 8 for micro in micros)
        (gradient,) = torch.autograd.grad(loss, z)
        quantizer.update_codebook()
    return loss.detach(), gradient


@SPLIT
@pytest.mark.parametrize("sizes", [[4, 4], [1, 5, 2]])
def test_micro_batches_with_a_survey_equal_the_whole_batch(family, arguments, sizes):
    expected = _step(family, arguments, [8])
    for actual, whole in zip(_step(family, arguments, sizes), expected, strict=True):
        torch.testing.assert_close(actual, whole, rtol=1e-4, atol=1e-6)


@SPLIT
@pytest.mark.parametrize("sizes", [[[5], [3]], [[2, 1], [2, 3]]])
def test_two_ranks_equal_one(two_ranks, family, arguments, sizes):
    loss, gradient = _step(family, arguments, [8])
    parts = two_ranks(_step, family, arguments, sizes)
    torch.testing.assert_close(sum(part[0] for part in parts), loss, rtol=1e-4, atol=1e-6)
    gathered = torch.cat([part[1] for part in parts])
    torch.testing.assert_close(gathered, gradient, rtol=1e-4, atol=1e-6)


@FAMILIES
def test_weight_is_ramped_from_its_start(family):
    quantizer = family(4, commitment=0.0, entropy_weight=0.4, entropy_ramp=4, entropy_start=0.2)
    z, losses = randn(2, 4, 3, 3), []
    for _ in range(6):
        losses.append(quantizer(z).loss.item())
        quantizer.update_codebook()
    full = family(4, commitment=0.0, entropy_weight=1.0)(z).loss.item()
    expected = [full * weight for weight in (0.2, 0.25, 0.3, 0.35, 0.4, 0.4)]
    assert losses == pytest.approx(expected, rel=1e-5)
    resumed = family(4, commitment=0.0, entropy_weight=0.4, entropy_ramp=4, entropy_start=0.2)
    resumed.load_state_dict(quantizer.state_dict())
    assert resumed(z).loss.item() == losses[-1]


@FAMILIES
def test_without_weights_there_is_no_loss_and_no_survey(family):
    quantizer = family(4, commitment=0.0, entropy_weight=0.0)
    z = randn(2, 4, 3, 3).requires_grad_()
    out = quantizer(z)
    assert not quantizer.needs_survey
    assert out.loss.item() == 0
    assert not torch.autograd.grad(out.loss, z)[0].any()


@FAMILIES
def test_disabled_penalty_leaves_the_declared_commitment(family):
    quantizer = family(4, commitment=0.5)
    quantizer.penalty.enabled = False
    z = randn(2, 4, 3, 3)
    out = quantizer(z)
    expected = quantizer.commitment_weight * (quantizer.compared(z) - out.latents).square().mean()
    torch.testing.assert_close(out.loss, expected)


@FAMILIES
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bits": 0}, "bits 0: use a whole number from 1 to 62"),
        ({"bits": 63}, "bits 63"),
        ({"bits": 8.0}, "bits 8.0"),
        ({"bits": True}, "bits True"),
        ({"bits": 8, "commitment": -0.1}, "commitment"),
        ({"bits": 8, "entropy_weight": -0.1}, "entropy_weight"),
        ({"bits": 8, "entropy_ramp": "soon"}, "entropy_ramp"),
    ],
)
def test_wrong_arguments_are_named(family, arguments, message):
    with pytest.raises(ConfigError, match=message):
        family(**arguments)
