"""One optimizer step: accumulation, ragged or not, and ranks give the gradient of one big batch."""

import copy
import shutil

import pytest
import torch
import torch.distributed as dist

from tests.training.parts import small_tokenizer
from vqx.losses import L1, L2, Weighted, WeightedSum
from vqx.quantizers import EMA, FSQ, VQ
from vqx.quantizers.lfq import LFQ
from vqx.training.health import CodebookHealth
from vqx.training.precision import Precision
from vqx.training.step import (
    TrainingForward,
    parallel,
    reseed,
    shared_generator,
    survey,
    to_float,
    train_step,
)

CPU = torch.device("cpu")
QUANTIZERS = {
    "fsq": lambda: FSQ([5, 5, 5]),
    "vq": lambda: VQ(32, 4),
    "ema": lambda: EMA(32, 4, init="normal"),
    "lfq": lambda: LFQ(4, entropy_weight=0.5, temperature=1.0),  # a loss of the whole batch
}


def tokenizer(kind):
    torch.manual_seed(0)
    return small_tokenizer(QUANTIZERS[kind]())


def images(count=8):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(256, (count, 3, 16, 16), dtype=torch.uint8, generator=generator)


def trained(kind, micro_batches, *, world_size=1, steps=3, precision="fp32"):
    """Parameters, buffers and logged values after a few SGD steps over 8 global images."""
    model = tokenizer(kind)
    forward = TrainingForward(model, WeightedSum({"l2": Weighted(L2(), weight=1.0)}))
    parameters = list(forward.parameters())
    if world_size > 1:
        forward = parallel(forward)
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    rounding, health = Precision(precision, CPU), CodebookHealth(model.quantizer, CPU)
    for step in range(steps):
        values = train_step(
            forward,
            micro_batches,
            step=step,
            batch_size=8,
            world_size=world_size,
            health=health,
            optimizer=optimizer,
            parameters=parameters,
            precision=rounding,
            clip_norm=1.0,
        )
        model.quantizer.update_codebook(generator=shared_generator(0, step=step))
    state = {name: value.double() for name, value in copy.deepcopy(model.state_dict()).items()}
    logged = {name: float(value) for name, value in values.items()}
    return state, {**logged, **health.values(step=steps)}


def assert_same(ours, theirs):
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=2e-4, atol=2e-6, msg=name)


@pytest.mark.parametrize("kind", QUANTIZERS)
@pytest.mark.parametrize("parts", [2, 4, 3], ids=["2x4", "4x2", "ragged"])
def test_accumulation_changes_nothing(kind, parts):
    whole, logged = trained(kind, [images()])
    split, logged_split = trained(kind, list(images().tensor_split(parts)))
    assert_same(split, whole)
    assert logged_split["l2"] == pytest.approx(logged["l2"], rel=1e-4)
    for name in ("gradient_norm", "perplexity", "dead_code_age", "quantizer"):
        assert logged_split[name] == pytest.approx(logged[name], rel=1e-3), name


def on_ranks(kind, parts):
    rank, size = dist.get_rank(), dist.get_world_size()
    mine = images().tensor_split(size)[rank]
    return trained(kind, list(mine.tensor_split(parts)), world_size=size)


@pytest.mark.parametrize("kind", QUANTIZERS)
@pytest.mark.parametrize("parts", [1, 2, 3], ids=["whole", "2", "ragged"])
def test_two_ranks_equal_one(kind, parts, two_ranks):
    whole, logged = trained(kind, [images()])
    (first, logged_first), (second, logged_second) = two_ranks(on_ranks, kind, parts)
    assert_same(first, whole)
    assert_same(second, whole)
    for name in ("l2", "quantizer", "usage", "perplexity", "dead_code_age"):
        mean = (logged_first[name] + logged_second[name]) / 2
        assert mean == pytest.approx(logged[name], rel=1e-4), name


class Noted(FSQ):
    """Keeps the latents that it was shown."""

    def __init__(self):
        super().__init__([5, 5, 5])
        self.surveyed, self.quantized = [], []

    def survey_float(self, z):
        assert not z.requires_grad
        self.surveyed.append(z)

    def quantize(self, z):
        self.quantized.append(z.detach())
        return super().quantize(z)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_survey_sees_what_the_passes_will_and_leaves_no_trace(precision):
    model = small_tokenizer(Noted()).train()
    spectral = torch.nn.utils.parametrizations.spectral_norm  # a buffer that each forward reads
    width = model.encoder.layers[0].out_channels
    model.encoder.layers[0] = torch.nn.Sequential(
        spectral(model.encoder.layers[0]), torch.nn.BatchNorm2d(width), torch.nn.Dropout()
    )
    parts, rounding = list(images().tensor_split(3)), Precision(precision, CPU)
    before = copy.deepcopy(model.state_dict())
    torch.manual_seed(7)
    survey(model, parts, rounding)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert torch.equal(torch.get_rng_state(), torch.manual_seed(7).get_state())
    for part in parts:
        with rounding.autocast():
            model(to_float(part))[0].sum().backward()
    for seen, was in zip(model.quantizer.surveyed, model.quantizer.quantized, strict=True):
        assert torch.equal(seen, was)
    assert model.encoder.layers[0][1].num_batches_tracked == 3


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile on CPUs needs g++")
@pytest.mark.parametrize("kind", QUANTIZERS)
def test_a_compiled_step_has_the_gradients_of_an_uncompiled_one(kind):
    losses = {"l2": Weighted(L2(), weight=1.0), "l1": Weighted(L1(), weight=0.0)}
    gradients = []
    for compiled in (False, True):
        model = tokenizer(kind)
        forward = TrainingForward(model, WeightedSum(losses))
        if compiled:
            torch.compiler.reset()
            model.compile()
        for step in range(2):  # the step's number becomes symbolic
            model.zero_grad()
            forward(images(), step)[0].backward()
        gradients.append([p.grad for p in model.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_bfloat16_stays_near_float32():
    whole, _ = trained("fsq", [images()], steps=1)
    rounded, _ = trained("fsq", [images()], steps=1, precision="bf16")
    for name, value in whole.items():
        assert (rounded[name] - value).abs().max() < 2e-2, name


def test_images_become_minus_one_to_one():
    pixels = torch.tensor([0, 255], dtype=torch.uint8)
    assert to_float(pixels).tolist() == [-1.0, 1.0]


def test_random_streams_differ_by_seed_rank_and_step_and_repeat():
    def draw(seed, rank, step):
        reseed(seed, rank=rank, step=step)
        return torch.rand(4).tolist()

    keys = [(s, r, t) for s in range(3) for r in range(3) for t in range(3)]
    draws = {tuple(draw(*key)) for key in keys}
    assert len(draws) == len(keys)
    assert draw(1, 2, 0) == draw(1, 2, 0)
    assert draw(1, 0, 2) != draw(2, 0, 1)


def test_a_shared_generator_depends_on_the_step_only():
    first = torch.rand(3, generator=shared_generator(0, step=5))
    assert torch.equal(first, torch.rand(3, generator=shared_generator(0, step=5)))
    assert not torch.equal(first, torch.rand(3, generator=shared_generator(0, step=6)))
