"""EntropyVQ, and what it shares with IBQ: an entropy penalty of the batch as a whole."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F

from tests.quantizers import reference
from tests.quantizers.cases import latents, seeded
from vqx.collectives import rank, sum_over_ranks, world_size
from vqx.errors import ConfigError
from vqx.quantizers import VQ
from vqx.quantizers.entropy_vq import EntropyVQ
from vqx.quantizers.ibq import IBQ

CLASSES = [EntropyVQ, IBQ]


def make(cls, K=24, D=6, **arguments):
    """A quantizer whose probabilities are neither even nor certain; the same for every call."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return cls(K, D, **{"init": "normal", "temperature": 5.0, **arguments})


def _penalty(z, codebook, weight, diversity, temperature):
    """weight (mean H(p) - diversity H(mean p)), one token at a time, in float64."""
    each, mean_p = 0, 0
    rows = reference.tokens(z.double())
    for token in rows:
        distances = torch.stack([(token - entry).square().sum() for entry in codebook.double()])
        p = (-distances / temperature).softmax(0)
        each = each - (p * p.log()).sum() / len(rows)
        mean_p = mean_p + p / len(rows)
    return weight * (each + diversity * (mean_p * mean_p.log()).sum())


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize(
    ("weight", "diversity", "temperature"), [(0.1, 1.0, 5.0), (2.0, 0.3, 3.0), (0.5, 0.0, 9.0)]
)
def test_loss_and_gradients_equal_the_slow_version(distance, weight, diversity, temperature):
    quantizer = make(
        EntropyVQ,
        entropy_weight=weight,
        diversity=diversity,
        temperature=temperature,
        distance=distance,
    )
    z, codebook = latents(2).requires_grad_(), quantizer.codebook
    plain = _plain(distance)
    unit = distance == "cosine"
    compared = F.normalize(z, dim=1) if unit else z
    entries = F.normalize(codebook, dim=1) if unit else codebook
    expected = _penalty(compared, entries, weight, diversity, temperature).float()
    expected_gradients = torch.autograd.grad(expected, [z, codebook])
    loss = quantizer(z).loss - plain(z).loss.detach()
    torch.testing.assert_close(loss, expected)
    gradients = torch.autograd.grad(quantizer(z).loss, [z, codebook])
    plain_gradients = torch.autograd.grad(plain(z).loss, [z, plain.codebook])
    for whole, without, penalty in zip(gradients, plain_gradients, expected_gradients, strict=True):
        torch.testing.assert_close(whole - without, penalty, rtol=1e-3, atol=1e-6)


def _plain(distance):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return VQ(24, 6, init="normal", distance=distance)


@pytest.mark.parametrize("enabled", [False, True])
def test_without_the_penalty_it_is_vq(enabled):
    quantizer, z = make(EntropyVQ, entropy_weight=0.1 if not enabled else 0.0), latents(2)
    quantizer.entropy.enabled = enabled
    out, expected = quantizer(z), _plain("euclidean")(z)
    assert not quantizer.needs_survey
    assert torch.equal(out.loss, expected.loss)
    assert torch.equal(out.latents, expected.latents)


@pytest.mark.parametrize("cls", CLASSES)
def test_the_penalty_by_hand(cls):
    """Two codes at -1 and 1, tokens at -x and x: H(mean p) = ln 2, H(p) of a coin of odds e^4x."""
    quantizer = make(cls, 2, 1, temperature=1.0, entropy_weight=2.0, diversity=0.5)
    if cls is IBQ:
        quantizer.double_quantization.enabled = False
    x = 0.3
    quantizer.codebook.data = torch.tensor([[-1.0], [1.0]])
    odds = math.exp(4 * x if cls is EntropyVQ else 2 * x)
    p = odds / (1 + odds)
    each = -p * math.log(p) - (1 - p) * math.log(1 - p)
    vq = 1.25 * (1 - x) ** 2
    expected = vq + 2 * (each - 0.5 * math.log(2))
    loss = quantizer(torch.tensor([-x, x]).view(2, 1, 1, 1)).loss
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def _step(cls, accumulation, **arguments):
    """Sums over ranks of loss, and of the gradients for all latents and for the codebook.

    Each rank takes its part of a batch of 8, in `accumulation` micro-batches; two optimizer steps,
    the second of which is returned, so that nothing of the first may linger.
    """
    quantizer = make(cls, **arguments)
    for seed in (0, 1):
        batch = latents(8, seed=seed)
        shares = accumulation * world_size()
        micros = [m.requires_grad_() for m in batch.chunk(shares)]
        mine = micros[rank() * accumulation : (rank() + 1) * accumulation]
        if accumulation > 1 and quantizer.needs_survey:
            for micro in mine:
                quantizer.survey(micro)
        loss = sum(quantizer(micro).loss for micro in mine) / shares
        quantizer.codebook.grad = None
        loss.backward()
        quantizer.update_codebook(generator=seeded())
    at_z = torch.cat([torch.zeros_like(m) if m.grad is None else m.grad for m in micros])
    return [sum_over_ranks(x) for x in (loss.detach(), at_z, quantizer.codebook.grad)]


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_micro_batches_equal_the_whole_batch(cls, distance):
    arguments = {"distance": distance, "temperature": 2.0}
    for a, b in zip(_step(cls, 4, **arguments), _step(cls, 1, **arguments), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("accumulation", [1, 2])
def test_two_ranks_equal_one(two_ranks, cls, accumulation):
    for results in two_ranks(_step, cls, accumulation):
        for a, b in zip(results, _step(cls, 1), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("cls", CLASSES)
def test_a_ramp_starts_at_nothing(cls):
    quantizer, z = make(cls, entropy_ramp=4, entropy_weight=0.8), latents(2)
    without = make(cls, entropy_weight=0.0)(z).loss
    full = make(cls, entropy_weight=0.8)(z).loss
    for step in range(6):
        expected = torch.lerp(without, full, min(step / 4, 1.0))
        torch.testing.assert_close(quantizer(z).loss, expected)
        quantizer.update_codebook()


@pytest.mark.parametrize("cls", CLASSES)
def test_the_penalty_spreads_tokens_over_the_codes(cls):
    """The penalty alone, from a codebook that begins nearly in one place."""
    torch.manual_seed(0)
    quantizer = cls(16, 6, temperature=0.5)
    z = torch.randn(64, 6, 4, 3)
    before = quantizer(z).codes.unique().numel()
    optimizer = torch.optim.Adam(quantizer.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        quantizer(z).loss.backward()
        optimizer.step()
        quantizer.update_codebook()
    counts = quantizer(z).codes.flatten().bincount(minlength=16)
    assert counts.min() > 0.2 * counts.float().mean(), before


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize(("K", "D"), [(1, 4), (5, 1), (1, 1)])
def test_smallest_sizes(cls, K, D):
    quantizer, z = cls(K, D), torch.randn(3, D, 2, 5, requires_grad=True)
    out = quantizer(z)
    (out.loss + out.latents.sum()).backward()
    assert out.latents.shape == z.shape
    assert z.grad.isfinite().all()
    assert quantizer.codebook.grad.isfinite().all()


@pytest.mark.parametrize("cls", CLASSES)
def test_codes_of_the_penaltys_scores_are_those_of_the_search(cls, monkeypatch):
    quantizer, z = make(cls), latents(2)
    quantizer.entropy.enabled = False
    expected = quantizer(z).codes
    quantizer.entropy.enabled = True
    for search in ("codebook.nearest_codes", "ibq.best_codes"):  # another product
        monkeypatch.setattr(f"vqx.quantizers.{search}", None)
    for training in (True, False):
        assert torch.equal(quantizer.train(training)(z).codes, expected)
    monkeypatch.undo()
    assert len(quantizer.search(torch.randn(5, 6))) == 5  # and not the last codes again


@pytest.mark.parametrize("cls", CLASSES)
def test_a_nan_shows_in_the_loss(cls):
    z = latents(1)
    z[0, 1, 2, 1] = torch.nan
    out = make(cls)(z)
    assert out.loss.isnan()
    assert ((out.codes >= 0) & (out.codes < 24)).all()


@pytest.mark.slow
@pytest.mark.parametrize("cls", CLASSES)
def test_compiled_equals_eager(cls):
    torch.compiler.reset()
    quantizer, z = make(cls), latents(2)
    compiled, results = torch.compile(copy.deepcopy(quantizer), backend="eager"), []
    for forward in (quantizer, compiled):
        leaf = z.clone().requires_grad_()
        out = forward(leaf)
        (out.loss + out.latents.square().sum()).backward()
        results.append((out.latents, out.codes, out.loss, leaf.grad))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b)


def test_diversity_agrees_with_vector_quantize_pytorch():
    """Its diversity term, by cosine, of a batch in which each image is one token."""
    package = pytest.importorskip("vector_quantize_pytorch")
    diversity = {"codebook_diversity_loss_weight": 1.0, "codebook_diversity_temperature": 20.0}
    peer = package.VectorQuantize(8, 32, use_cosine_sim=True, **diversity)
    z, codebook = torch.randn(300, 1, 8), peer._codebook.embed[0].clone()
    expected = peer(z, return_loss_breakdown=True)[-1].codebook_diversity
    losses = []
    for weight in (1.0, 0.0):
        same = {"distance": "cosine", "temperature": 2 / 20.0, "entropy_weight": 1.0}
        quantizer = make(EntropyVQ, 32, 8, diversity=weight, **same)
        quantizer.codebook.data = codebook
        losses.append(quantizer(z.movedim(2, 1)[..., None]).loss)
    torch.testing.assert_close(losses[0] - losses[1], expected)


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": 0.0}, "temperature 0.0"),
        ({"entropy_weight": -1.0}, "entropy_weight -1.0"),
        ({"diversity": -1.0}, "diversity -1.0"),
        ({"distance": "manhattan"}, "distance 'manhattan'"),
    ],
)
def test_wrong_arguments_are_named(cls, arguments, message):
    with pytest.raises(ConfigError, match=message):
        cls(4, 2, **arguments)
