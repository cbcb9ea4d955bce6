"""Residual quantization over a run: init, codebooks that move, dropout, survey, ranks."""

from itertools import pairwise

import pytest
import torch

from tests.quantizers.cases import assert_same_state, latents, seeded
from tests.quantizers.test_residual import STAGES, make
from vqx.collectives import rank, world_size
from vqx.errors import ConfigError
from vqx.quantizers import EMA, VQ, Restart
from vqx.quantizers.dropout import ABSENT
from vqx.quantizers.lfq import LFQ
from vqx.quantizers.residual import Residual


def dropping(share=0.8, **arguments):
    return make(EMA(24, 6, init="normal", restart=None), quantizer_dropout=share, **arguments)


def test_dropped_stages_see_nothing_and_cost_nothing():
    quantizer, z = dropping(), latents(16)
    z.requires_grad_()
    torch.manual_seed(3)
    out = quantizer(z)
    absent = out.codes == ABSENT
    kept = STAGES - absent.sum(-1)[:, 0, 0]
    assert set(kept.tolist()) == set(range(1, STAGES + 1))
    assert torch.equal(
        absent, (torch.arange(STAGES) >= kept[:, None, None, None]).expand_as(absent)
    )
    assert torch.equal(quantizer.decode(out.codes), out.latents)
    loss, gradient = 0.0, torch.zeros_like(z)
    for image, stages in enumerate(kept.tolist()):
        for i in range(stages):
            gap = (
                z[image] - quantizer.decode(out.codes[image : image + 1, ..., : i + 1])[0]
            ).detach()
            loss += 0.25 * gap.square().sum().item() / z.numel()
            gradient[image] += 0.25 * 2 * gap / z.numel()
    assert out.loss.item() == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(torch.autograd.grad(out.loss, z)[0], gradient.detach())
    before = [part.counts.clone() for part in quantizer.parts]
    quantizer.update_codebook()
    for i, part in enumerate(quantizer.parts):
        seen = (part.counts - 0.99 * before[i]).sum() / 0.01
        torch.testing.assert_close(seen, 12.0 * (kept > i).sum(), rtol=1e-3, atol=0)


def test_eval_and_no_dropout_keep_all_stages():
    quantizer, z = dropping(), latents(8)
    assert (quantizer.eval()(z).codes >= 0).all()
    plain = make(EMA(24, 6, init="normal", restart=None))
    plain.load_state_dict(quantizer.state_dict())
    assert torch.equal(plain.train()(z).latents, quantizer(z).latents)


def errors(quantizer, z):
    """Share of |z|^2 that is left after each stage."""
    stats = quantizer.eval()(z).stats
    left = [stats[f"residual_ratio_{i}"] for i in range(1, quantizer.stages)]
    return [x.item() for x in (*left, stats["commitment_ratio"])]


@pytest.mark.parametrize("init", ["batch", "kmeans"])
def test_each_stage_starts_from_its_own_residuals(init):
    quantizer, z = make(VQ(24, 6, init=init, restart=None)), latents(16)
    assert quantizer.needs_initialization
    with pytest.raises(ConfigError, match="initialize"):
        quantizer(z)
    quantizer.initialize(z, generator=seeded())
    assert not quantizer.needs_initialization
    assert all(after < 0.85 * before for before, after in pairwise([1.0, *errors(quantizer, z)]))
    assert min(len(codes.unique()) for codes in quantizer(z).codes.unbind(-1)) > 16


@pytest.mark.parametrize("init", ["batch", "kmeans"])
def test_a_shared_codebook_starts_from_what_all_stages_see(init):
    quantizer, z = make(VQ(24, 6, init=init, restart=None), shared=True), latents(16)
    (part,) = quantizer.parts
    part.initialize(z, generator=seeded())
    from_z_alone = errors(quantizer, z)
    quantizer.initialize(z, generator=seeded())
    assert errors(quantizer, z)[-1] < 0.8 * from_z_alone[-1]


CASES = {
    "ema": lambda **a: (EMA(24, 6, init="kmeans", decay=0.7, restart=None), a),
    "restart": lambda **a: (
        EMA(24, 6, init="batch", restart=Restart(interval=2, threshold=0.5)),
        a,
    ),
    "vq": lambda **a: (VQ(24, 6, init="batch", restart=Restart(interval=2, threshold=0.5)), a),
}


def train(kind, shared, accumulation, steps=6):
    base, arguments = CASES[kind](shared=shared)
    quantizer, g = make(base, 3, **arguments), seeded(7)
    quantizer.initialize(latents(32).chunk(world_size())[rank()], generator=g)
    for step in range(steps):
        part = latents(32, seed=step).chunk(world_size())[rank()]
        for micro in part.chunk(accumulation):
            quantizer(micro)
        quantizer.update_codebook(generator=g)
    return {name: x.clone() for name, x in quantizer.state_dict().items()}


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("kind", CASES)
def test_ranks_and_accumulation_change_nothing(two_ranks, kind, shared):
    expected = train(kind, shared, 1)
    assert_same_state(train(kind, shared, 4), expected)
    for state in two_ranks(train, kind, shared, 2):
        assert_same_state(state, expected)


def test_a_shared_codebook_moves_once_a_step_by_all_stages():
    quantizer, z = make(EMA(24, 6, init="normal", decay=0.9, restart=None), shared=True), latents(4)
    (part,) = quantizer.parts
    before = part.counts.clone()
    out = quantizer(z)
    quantizer.update_codebook()
    counts = torch.bincount(out.codes.flatten(), minlength=24)
    torch.testing.assert_close(part.counts, 0.9 * before + 0.1 * counts)


def lfq_gradients(micro_batches, temperature=1.0):
    """Gradients of the loss of 8 images, of which this rank sees its part, summed over ranks."""
    quantizer = Residual(LFQ(5, temperature=temperature), 3, scale=0.5)
    z = latents(8, width=5).chunk(world_size())[rank()].clone().requires_grad_()
    parts = z.chunk(micro_batches)
    if micro_batches > 1:
        for part in parts:
            quantizer.survey(part)
    loss = sum(quantizer(part).loss * len(part) / 8 for part in parts)
    return loss.item(), torch.autograd.grad(loss, z)[0]


def test_an_entropy_is_of_the_global_batch_in_every_stage(two_ranks):
    loss, gradient = lfq_gradients(1)
    split_loss, split = lfq_gradients(4)
    assert split_loss == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(split, gradient)
    ranks = two_ranks(lfq_gradients, 2)
    assert sum(x for x, _ in ranks) == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(torch.cat([x for _, x in ranks]), gradient)


def test_a_survey_leaves_no_trace():
    quantizer = make(EMA(24, 6, init="normal", restart=None))
    before = {name: x.clone() for name, x in quantizer.state_dict().items()}
    quantizer.survey(latents(2))
    quantizer.update_codebook()
    assert all(torch.equal(x, before[name]) for name, x in quantizer.state_dict().items())
    assert all(part.training for part in quantizer.parts)


@pytest.mark.parametrize("codes", [(1, 2, 2, STAGES + 1), (1, 2, 2), (1, 2, 2, 0)])
def test_codes_of_the_wrong_shape_are_named(codes):
    with pytest.raises(ValueError, match=r"\(B, h, w, 4\)"):
        make().decode(torch.zeros(codes, dtype=torch.int64))
