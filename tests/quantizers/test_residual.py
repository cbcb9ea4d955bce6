"""Residual quantization: sums bit for bit, cumulative commitment, stages that are left out."""

import pytest
import torch

from tests.quantizers import reference
from tests.quantizers.cases import latents
from vqx.quantizers import EMA, VQ
from vqx.quantizers.base import to_rows
from vqx.quantizers.bsq import BSQ
from vqx.quantizers.dropout import ABSENT
from vqx.quantizers.lfq import LFQ
from vqx.quantizers.residual import Residual

STAGES = 4


def make(base=None, stages=STAGES, **arguments):
    """A residual of gradient codebooks of 24 codes of width 6, the same for every call."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        base = base or VQ(24, 6, init="normal", restart=None)
        return Residual(base, stages, **arguments)


def slow(z, codebooks, scale=1.0):
    """Codes (N, Q), sums (N, D) and the summed squared errors, one token, one stage at a time."""
    codes, sums, error = [], [], 0.0
    for token in reference.tokens(z):
        total, found = torch.zeros_like(token), []
        for i, codebook in enumerate(codebooks):
            left = (token - total) / scale**i
            (code,) = reference.nearest(left[None], codebook)
            total = total + scale**i * codebook[code]
            found.append(code)
            error += float((token - total).square().sum()) / scale ** (2 * i)
        codes.append(found)
        sums.append(total)
    return torch.tensor(codes), torch.stack(sums), error / z.numel()


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("shared", [False, True])
def test_it_equals_the_slow_reference(shared, scale):
    quantizer, z = make(shared=shared, scale=scale), latents(3)
    codebooks = [part.codebook.detach() for part in quantizer.parts] * (STAGES if shared else 1)
    out = quantizer(z)
    codes, sums, error = slow(z, codebooks, scale)
    assert torch.equal(out.codes.flatten(0, 2), codes)
    torch.testing.assert_close(to_rows(out.latents), sums)
    assert out.loss.item() == pytest.approx(1.25 * error, rel=1e-5)  # the sum over stages


def test_stages_start_from_codebooks_of_their_own():
    parts = make().parts
    for i in range(STAGES):
        for j in range(i):
            assert not torch.equal(parts[i].codebook, parts[j].codebook)
    assert len(make(shared=True).parts) == 1


@pytest.mark.parametrize(
    ("base", "scale"),
    [
        (VQ(24, 6), 1.0),
        (EMA(24, 6, init="normal"), 1.0),
        (VQ(24, 6), 0.7),
        (VQ(24, 6, distance="cosine"), 0.7),
        (LFQ(3), 0.7),
        (BSQ(3), 0.7),
    ],
)
def test_decode_is_the_forward_pass_bit_for_bit(base, scale):
    quantizer = make(base, 7, scale=scale)
    z = 3 * torch.randn(5, base.latent_channels, 4, 3)
    for training in (True, False):
        out = quantizer.train(training)(z)
        assert out.codes.shape == (5, 4, 3, 7)
        assert torch.equal(quantizer.decode(out.codes), out.latents)
        assert out.latents.is_contiguous()


def test_the_first_stages_alone_are_a_coarser_result():
    quantizer, z = make().eval(), latents(4)
    codes, errors = quantizer(z).codes, []
    for stages in range(1, STAGES + 1):
        first = codes[..., :stages]
        absent = codes.masked_fill(torch.arange(STAGES) >= stages, ABSENT)
        assert torch.equal(quantizer.decode(first), quantizer.decode(absent))
        errors.append((quantizer.decode(first) - z).square().mean().item())
    ratios = [quantizer(z).stats[f"residual_ratio_{i}"] for i in range(1, STAGES)]
    ratios.append(quantizer(z).stats["commitment_ratio"])
    size = z.square().mean()
    torch.testing.assert_close(torch.stack(ratios), torch.tensor(errors) / size)
    assert (quantizer.decode(torch.full_like(codes, ABSENT)) == 0).all()


def test_one_stage_is_its_base():
    quantizer, z = make(stages=1), latents(2)
    alone, out = quantizer.parts[0](z), quantizer(z)
    assert torch.equal(out.codes, alone.codes)  # (B, h, w)
    assert torch.equal(out.latents, alone.latents)
    assert torch.equal(out.loss, alone.loss)
    assert torch.equal(quantizer.decode(out.codes), out.latents)


@pytest.mark.parametrize("kind", [VQ, EMA])
@pytest.mark.parametrize("shared", [False, True])
def test_the_commitment_ratio_is_of_the_whole_sum(kind, shared):
    quantizer = make(kind(2, 1, init="normal", restart=None), 2, shared=shared, scale=0.5)
    for part in quantizer.parts:
        part.codebook.data.copy_(torch.tensor([[0.0], [2.0]]))
    out = quantizer(torch.full((1, 1, 2, 2), 4.0))  # 2 of 4, then 1 of the 2 that are left
    assert out.latents.unique().tolist() == [3.0]
    assert out.stats["residual_ratio_1"].item() == pytest.approx(4 / 16)
    assert out.stats["commitment_ratio"].item() == pytest.approx(1 / 16)


@pytest.mark.parametrize("estimator", ["ste", "rotation"])
def test_the_gradient_of_the_latents_reaches_z_once(estimator):
    quantizer = make(VQ(24, 6, init="normal", restart=None, estimator=estimator))
    z = latents(2).requires_grad_()
    out, weight = quantizer(z).latents, torch.randn(2, 6, 4, 3)
    (gradient,) = torch.autograd.grad((out * weight).sum(), z)
    if estimator == "ste":
        assert torch.equal(gradient, weight)
        return
    # A rotation keeps angles: s R turns z onto the sum and its transpose the sum onto s^2 z.
    (back,) = torch.autograd.grad((quantizer(z).latents * out.detach()).sum(), z)
    scale = (out.norm(dim=1) / z.norm(dim=1)).square()[:, None]
    torch.testing.assert_close(back, (scale * z).detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_commitment_is_of_cumulative_sums(scale):
    quantizer, z = make(EMA(24, 6, init="normal", restart=None), scale=scale), latents(2)
    z.requires_grad_()
    out = quantizer(z)
    (gradient,) = torch.autograd.grad(out.loss, z)
    sums = [quantizer.decode(out.codes[..., : i + 1]) for i in range(STAGES)]
    expected = sum(0.25 * 2 * (z - q) / z.numel() for q in sums)
    torch.testing.assert_close(gradient, expected.detach())


def test_each_codebook_learns_from_its_own_residual():
    quantizer, z = make(), latents(2)
    out = quantizer(z)
    total = 0
    for i, part in enumerate(quantizer.parts):
        (gradient,) = torch.autograd.grad(out.loss, part.codebook, retain_graph=True)
        codes, left = out.codes[..., i].flatten(), to_rows(z) - total
        entries = part.codebook.detach()[codes]
        expected = torch.zeros_like(gradient).index_add_(0, codes, 2 * (entries - left) / z.numel())
        torch.testing.assert_close(gradient, expected)
        total = total + entries


def test_decode_is_differentiable():
    quantizer = make()
    codes = torch.randint(24, (1, 2, 2, STAGES))
    quantizer.decode(codes).sum().backward()
    for i, part in enumerate(quantizer.parts):
        used = torch.bincount(codes[..., i].flatten(), minlength=24).float()
        assert torch.equal(part.codebook.grad, used[:, None].expand(24, 6))


def test_agreement_with_another_implementation():
    peer = pytest.importorskip("vector_quantize_pytorch")
    other = peer.ResidualVQ(dim=6, num_quantizers=STAGES, codebook_size=24, rotation_trick=False)
    ours, z = make().eval(), latents(4)
    for layer, part in zip(other.eval().layers, ours.parts, strict=True):
        layer._codebook.embed.data.copy_(part.codebook.detach()[None])
        layer._codebook.initted.data.fill_(True)
    quantized, codes, _ = other(z.movedim(1, -1).flatten(1, 2))
    out = ours(z)
    assert torch.equal(out.codes.flatten(1, 2), codes)
    torch.testing.assert_close(out.latents.movedim(1, -1).flatten(1, 2), quantized)
