"""ResidualFSQ against cells cut one by one, stage by stage."""

import pytest
import torch

from vqx.errors import ConfigError
from vqx.quantizers.fsq import FSQ
from vqx.quantizers.residual_fsq import ResidualFSQ


def _latents(levels, *, seed=0, batch=4, size=12):
    shape = batch, len(levels), size, size
    return 1.5 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _slow(y, level, stages):
    """Digits and reconstruction of one number y, in steps: of each cell, the part that holds y."""
    digits, low, width = [], -(level // 2) - 0.5, 1.0
    for stage in range(stages):
        width = width if stage == 0 else width / level
        digit = min(max(int((y - low) // width), 0), level - 1)
        digits.append(digit)
        low += digit * width
    return digits, low + width / 2


@pytest.mark.parametrize(
    ("levels", "stages"), [([8, 5, 5, 5], 3), ([2], 6), ([3, 4], 4), ([5], 1), ([7, 2], 2)]
)
def test_codes_and_latents_equal_the_slow_version(levels, stages):
    quantizer = ResidualFSQ(levels, stages)
    z = _latents(levels, size=4)
    out = quantizer(z)
    y = (quantizer.compared(z) / quantizer.unit).double()
    codes = out.codes if stages > 1 else out.codes[..., None]
    for b, h, w in torch.cartesian_prod(*map(torch.arange, out.codes.shape[:3])).tolist():
        expected, basis = [0] * stages, 1
        for channel, level in enumerate(levels):
            digits, value = _slow(y[b, channel, h, w].item(), level, stages)
            expected = [code + d * basis for code, d in zip(expected, digits, strict=True)]
            basis *= level
            latent = out.latents[b, channel, h, w].item()
            assert latent == pytest.approx(value / (level // 2), abs=1e-6)
        assert codes[b, h, w].tolist() == expected


@pytest.mark.parametrize("levels", [[8, 5], [2, 3], [4, 7]])
def test_error_falls_by_the_number_of_levels_and_every_digit_is_used(levels):
    z = _latents(levels, batch=16, size=48)
    for stages in range(1, 6):
        quantizer = ResidualFSQ(levels, stages)
        out = quantizer(z)
        error = (out.latents - quantizer.compared(z)).abs().amax((0, 2, 3)) / quantizer.unit[
            :, 0, 0
        ]
        for level, worst in zip(levels, error.tolist(), strict=True):
            assert worst <= 0.5 * level ** (1 - stages) + 1e-5
            assert worst >= 0.45 * level ** (1 - stages)
        last = out.codes[..., -1] if stages > 1 else out.codes
        assert last.unique().tolist() == list(range(quantizer.codebook_size))


def test_the_first_stage_is_fsq_and_stages_do_not_change_with_their_number():
    levels, z = [8, 5, 6], _latents([8, 5, 6])
    codes = ResidualFSQ(levels, 5)(z).codes
    assert torch.equal(codes[..., 0], FSQ(levels)(z).codes)
    assert torch.equal(ResidualFSQ(levels, 1)(z).codes, codes[..., 0])
    assert torch.equal(ResidualFSQ(levels, 3)(z).codes, codes[..., :3])


def test_first_stages_decode_to_what_they_stand_for():
    levels, z = [8, 5, 6], _latents([8, 5, 6])
    quantizer = ResidualFSQ(levels, 4).eval()
    out = quantizer(z)
    for stages in (1, 2, 3, 4):
        coarse = quantizer.decode(out.codes[..., :stages])
        torch.testing.assert_close(coarse, ResidualFSQ(levels, stages)(z).latents)
        without = out.codes.clone()
        without[..., stages:] = -1
        assert torch.equal(quantizer.decode(without), coarse)
    assert torch.equal(quantizer.decode(out.codes[..., 0]), quantizer.decode(out.codes[..., :1]))


def test_dropped_stages_have_code_minus_one_and_add_nothing():
    quantizer = ResidualFSQ([8, 5], 4, quantizer_dropout=0.7)
    z = _latents([8, 5], batch=64, size=3).requires_grad_()
    out = quantizer(z)
    present = out.codes >= 0
    kept = present.sum(-1)
    assert (kept == kept[:, :1, :1]).all()  # an image as a whole
    assert (present == (torch.arange(4) < kept[..., None])).all()  # trailing stages
    assert set(kept.flatten().tolist()) == {1, 2, 3, 4}
    assert torch.equal(quantizer.decode(out.codes), out.latents)
    whole = quantizer.eval()(z)
    assert torch.equal(out.codes[present], whole.codes[present])
    assert (whole.codes >= 0).all()
    actual, expected = (torch.autograd.grad(o.latents.sum(), z)[0] for o in (out, whole))
    assert torch.equal(actual, expected)


def test_only_training_with_dropout_draws_random_numbers():
    assert ResidualFSQ([8, 5], 4, quantizer_dropout=0.7).stochastic
    quantizer, z = ResidualFSQ([8, 5], 4), _latents([8, 5])
    before = torch.get_rng_state()
    assert (quantizer(z).codes >= 0).all()
    assert not quantizer.stochastic
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("levels", "stages"), [([2], 24), ([8, 5], 8), ([16, 3], 6)])
def test_codes_stand_for_exactly_the_latents_down_to_float32(levels, stages):
    quantizer, z = ResidualFSQ(levels, stages).eval(), _latents(levels)
    out = quantizer(z)
    assert torch.equal(quantizer.decode(out.codes), out.latents)
    # Half a step of the last stage, and a few roundings of float32.
    limit = quantizer.fine_unit / 2 + 3e-7
    assert ((out.latents - quantizer.compared(z)).abs() <= limit).all()


@pytest.mark.parametrize("level", [3, 5, 9])
def test_agrees_with_vector_quantize_pytorch_on_the_range_of_whole_cells(level):
    """Theirs squashes to l / 2 steps, which ours does for eps just under 1 / (l - 1)."""
    peers = pytest.importorskip("vector_quantize_pytorch")
    peer = peers.ResidualFSQ(levels=[level] * 2, num_quantizers=3, is_channel_first=True)
    z = _latents([level] * 2)
    peer_latents, peer_codes = peer(z * level / (level - 1))
    peer_codes = peer_codes.movedim(1, -1)
    out = ResidualFSQ([level] * 2, 3, eps=1 / (level - 1) - 1e-6)(z)
    assert (out.codes == peer_codes).float().mean() > 0.998
    close = (out.latents - peer_latents).abs() < 1e-4
    assert close.float().mean() > 0.998


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"levels": [8], "stages": 0}, "stages 0"),
        ({"levels": [5, 8], "stages": 9}, "finer than float32"),
        ({"levels": [8], "stages": 2, "quantizer_dropout": 1.5}, "quantizer_dropout 1.5"),
        ({"levels": [2], "stages": 2, "eps": -1e-3}, "ResidualFSQ level 2"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        ResidualFSQ(**arguments)


def test_more_stages_than_there_are_cannot_be_decoded():
    with pytest.raises(ValueError, match="3 stages"):
        ResidualFSQ([5], 2).decode(torch.zeros(1, 1, 1, 3, dtype=torch.int64))
