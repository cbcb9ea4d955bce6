"""Product quantization: each group of channels is its base, and losses stay means over elements."""

import pytest
import torch

from tests.quantizers import reference
from tests.quantizers.cases import assert_same_state, latents, seeded
from vqx.collectives import rank, world_size
from vqx.errors import ConfigError
from vqx.quantizers import EMA, FSQ, VQ, Restart
from vqx.quantizers.base import Quantized, to_rows
from vqx.quantizers.lfq import LFQ
from vqx.quantizers.product import Product
from vqx.quantizers.residual import Residual
from vqx.quantizers.statistics import commitment_ratio


def make(base=None, groups=3, **arguments):
    """A product of gradient codebooks of 9 codes of width 2, the same for every call."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return Product(base or VQ(9, 2, init="normal", restart=None), groups, **arguments)


def test_it_equals_the_slow_reference():
    quantizer, z = make(), latents(2)
    out = quantizer(z)
    rows, found, latent = torch.stack(reference.tokens(z)), [], []
    for group, part in enumerate(quantizer.parts):
        codebook = part.codebook.detach()
        codes = reference.nearest(rows[:, 2 * group : 2 * group + 2], codebook)
        found.append(torch.tensor(codes))
        latent.append(codebook[codes])
    assert torch.equal(out.codes.flatten(0, 2), torch.stack(found, dim=1))
    assert torch.equal(to_rows(out.latents), torch.cat(latent, dim=1))
    error = (torch.cat(latent, dim=1) - rows).square().mean().item()
    assert out.loss.item() == pytest.approx(1.25 * error, rel=1e-5)
    assert quantizer.latent_channels == 6
    assert quantizer.codebooks == 3


@pytest.mark.parametrize("kind", [VQ, EMA])
def test_the_commitment_ratio_is_of_all_channels_together(kind):
    quantizer = make(kind(1, 1, init="normal", restart=None), 2)
    for part, entry in zip(quantizer.parts, (2.0, 1.0), strict=True):
        part.codebook.data.fill_(entry)
    z = torch.tensor([3.0, 1.0])[None, :, None, None].expand(1, 2, 2, 2)
    stats = quantizer(z).stats
    assert stats["commitment_ratio"].item() == pytest.approx(1 / 10)  # not the mean of 1/9 and 0
    assert stats["codebook_norm"].item() == pytest.approx(1.5)


@pytest.mark.parametrize("base", [FSQ([5, 3]), Residual(VQ(9, 2), 3), VQ(9, 2, distance="cosine")])
def test_the_commitment_ratio_is_of_what_is_compared(base):
    quantizer, z = make(base), latents(2)
    out = quantizer(z)
    expected = commitment_ratio(quantizer.compared(z), out.latents)
    torch.testing.assert_close(out.stats["commitment_ratio"], expected)


def test_groups_start_from_codebooks_of_their_own():
    first, second, third = (part.codebook for part in make().parts)
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)


@pytest.mark.parametrize(
    ("base", "groups", "codebooks"),
    [
        (VQ(9, 2), 3, 3),
        (VQ(9, 6), 1, 1),
        (EMA(9, 3, init="normal"), 2, 2),
        (Residual(VQ(9, 3), 4), 2, 8),
        (Residual(VQ(9, 6), 4), 1, 4),
        (Product(VQ(9, 1), 3), 2, 6),
    ],
)
def test_decode_is_the_forward_pass_bit_for_bit(base, groups, codebooks):
    quantizer, z = make(base, groups), latents(3)
    for training in (True, False):
        out = quantizer.train(training)(z)
        assert out.codes.shape == ((3, 4, 3, codebooks) if codebooks > 1 else (3, 4, 3))
        assert quantizer.codebooks == codebooks
        assert torch.equal(quantizer.decode(out.codes), out.latents)
        assert out.latents.is_contiguous()


def test_nested_codes_are_group_by_group():
    quantizer, z = make(Residual(VQ(9, 3, init="normal"), 4), 2).eval(), latents(2)
    codes = quantizer(z).codes
    for group, part in enumerate(quantizer.parts):
        alone = part(z[:, 3 * group : 3 * group + 3])
        assert torch.equal(codes[..., 4 * group : 4 * group + 4], alone.codes)


def test_gradients_are_those_of_means_over_all_elements():
    quantizer, z = make(), latents(2).requires_grad_()
    out, weight = quantizer(z), torch.randn(2, 6, 4, 3)
    (gradient,) = torch.autograd.grad((out.latents * weight).sum(), z, retain_graph=True)
    assert torch.equal(gradient, weight)
    (gradient,) = torch.autograd.grad(out.loss, z)
    torch.testing.assert_close(gradient, (0.25 * 2 * (z - out.latents) / z.numel()).detach())


def test_an_entropy_is_the_mean_over_groups():
    quantizer, z = make(LFQ(2, temperature=1.0)), latents(4)
    each = [part(z[:, 2 * i : 2 * i + 2]).loss for i, part in enumerate(quantizer.parts)]
    torch.testing.assert_close(quantizer(z).loss, torch.stack(each).mean())
    assert quantizer.needs_survey


def train(accumulation):
    """State after 6 steps of 32 images, of which this rank sees its part."""
    base = EMA(9, 2, init="kmeans", decay=0.7, restart=Restart(interval=2, threshold=0.5))
    quantizer, g = make(base), seeded(7)
    assert quantizer.needs_initialization
    quantizer.initialize(latents(32).chunk(world_size())[rank()], generator=g)
    for step in range(6):
        part = latents(32, seed=step).chunk(world_size())[rank()]
        for micro in part.chunk(accumulation):
            quantizer(micro)
        quantizer.update_codebook(generator=g)
    return {name: x.clone() for name, x in quantizer.state_dict().items()}


def test_ranks_and_accumulation_change_nothing(two_ranks):
    expected = train(1)
    assert_same_state(train(4), expected)
    for state in two_ranks(train, 2):
        assert_same_state(state, expected)


def surveyed(micro_batches):
    quantizer, z = make(LFQ(2, temperature=1.0)), latents(8).requires_grad_()
    parts = z.chunk(micro_batches)
    if micro_batches > 1:
        for part in parts:
            quantizer.survey(part)
    return torch.autograd.grad(sum(quantizer(x).loss * len(x) / 8 for x in parts), z)[0]


def test_a_survey_reaches_every_group():
    torch.testing.assert_close(surveyed(4), surveyed(1))


class Mixture(VQ):
    """Latents that are not decode(codes)."""

    discrete = False

    def quantize(self, z):
        out = super().quantize(z)
        return Quantized(0.5 * z, out.codes, out.loss)


def test_what_the_base_is_the_product_is():
    assert not make(Mixture(9, 2, restart=None)).discrete
    cosine, z = make(VQ(9, 2, distance="cosine", restart=None)), latents(1)
    lengths = cosine.compared(z).unflatten(1, (3, 2)).norm(dim=2)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_agreement_with_another_implementation():
    peer = pytest.importorskip("vector_quantize_pytorch")
    other = peer.GroupedResidualVQ(
        dim=6, groups=2, num_quantizers=3, codebook_size=9, rotation_trick=False
    ).eval()
    ours, z = make(Residual(VQ(9, 3, init="normal"), 3), 2).eval(), latents(2)
    for theirs, group in zip(other.rvqs, ours.parts, strict=True):
        for layer, part in zip(theirs.layers, group.parts, strict=True):
            layer._codebook.embed.data.copy_(part.codebook.detach()[None])
            layer._codebook.initted.data.fill_(True)
    quantized, codes, _ = other(z.movedim(1, -1).flatten(1, 2))
    out = ours(z)
    assert torch.equal(out.codes.flatten(1, 2), torch.cat(list(codes), dim=-1))
    torch.testing.assert_close(out.latents.movedim(1, -1).flatten(1, 2), quantized)


def test_wrong_arguments_are_named():
    with pytest.raises(ConfigError, match="groups 0"):
        Product(VQ(9, 2), 0)
    with pytest.raises(ValueError, match=r"\(B, h, w, 3\), got \(1, 2, 2, 2\)"):
        make().decode(torch.zeros(1, 2, 2, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"\(B, 6, h, w\)"):
        make()(torch.zeros(1, 5, 2, 2))
