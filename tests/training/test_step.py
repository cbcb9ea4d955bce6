"""The forward pass of a step: what a survey sees, compiled and rounded passes, seeds."""

import copy
import shutil

import pytest
import torch

from tests.training.parts import small_tokenizer
from vqx.quantizers import EMA, FSQ, VQ
from vqx.quantizers.lfq import LFQ
from vqx.training.precision import Precision
from vqx.training.step import (
    TrainingForward,
    reseed,
    shared_generator,
    survey,
    to_float,
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
    parts = [to_float(part) for part in images().tensor_split(3)]
    rounding = Precision(precision, CPU)
    before = copy.deepcopy(model.state_dict())
    torch.manual_seed(7)
    survey(model, parts, rounding)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert torch.equal(torch.get_rng_state(), torch.manual_seed(7).get_state())
    for part in parts:
        with rounding.autocast():
            model(part)[0].sum().backward()
    for seen, was in zip(model.quantizer.surveyed, model.quantizer.quantized, strict=True):
        assert torch.equal(seen, was)
    assert model.encoder.layers[0][1].num_batches_tracked == 3


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile on CPUs needs g++")
@pytest.mark.parametrize("kind", QUANTIZERS)
def test_a_compiled_step_has_the_gradients_of_an_uncompiled_one(kind):
    gradients = []
    for compiled in (False, True):
        model = tokenizer(kind)
        forward = TrainingForward(model)
        if compiled:
            torch.compiler.reset()
            model.compile()
        for _ in range(2):
            model.zero_grad()
            output, quantized = forward(to_float(images()))
            (output.square().mean() + quantized.loss).backward()
        gradients.append([p.grad for p in model.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


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
