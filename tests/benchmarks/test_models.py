"""The models' benchmark: whole steps, honest arithmetic."""

import argparse
import csv
from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from vqx.benchmarks import models, models_measuring
from vqx.benchmarks.models_measuring import Measured, Missing, measure
from vqx.benchmarks.models_step import LOSSES, MODELS, Case, Setting, TrainingStep, configuration
from vqx.benchmarks.models_table import HEADER, Results, seed_notes
from vqx.benchmarks.worker import Failure
from vqx.errors import ConfigError, VqxError, WeightsMissing
from vqx.reporting.markdown import render_markdown

CPU = torch.device("cpu")
# A GAN with everything that costs time, on a model and discriminator that cost little.
NARROW = (
    "model.width=16",
    "model.residual_width=8",
    "latent_channels=8",
    "trainer.channels_last=false",
)
GAN = (
    "~loss.terms.lpips",
    "loss.terms.adversarial.term.discriminator.width=4",
    "loss.terms.adversarial.term.discriminator.max_width=8",
    "loss.terms.adversarial.term.adaptive=reconstruction",
    "loss.terms.adversarial.term.r1_gamma=1.25",
    "loss.terms.adversarial.term.r1_interval=4",
)
TINY = Setting(size=16, batch=4, codes=16, rounds=2, budget=0.2, overrides=NARROW)
MADE_UP = Measured(
    batch=8,
    grid=(16, 16),
    parameters=35_820_291,
    discriminator_parameters=28_864_129,
    plain=[0.2, 0.4, 0.1],
    reference=[0.1, 0.1, 0.1],
    product=[0.02, 0.04, 0.01],
    flops=8e9,
    product_flops=2e9,
    held=3 << 20,
    peak=5 << 20,
)


@pytest.fixture(autouse=True)
def small_product(monkeypatch):
    """No second of matrix products in a test; and torch as it was."""
    monkeypatch.setattr(models_measuring, "_SIDES", {"cpu": 64})
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    yield
    torch.use_deterministic_algorithms(before[0])
    torch.backends.cudnn.benchmark = before[1]


def step_of(loss, *overrides, setting=TINY):
    setting = replace(setting, overrides=(*setting.overrides, *overrides))
    return TrainingStep(configuration(Case("conv", loss), setting), device=CPU)


def test_a_gan_is_measured_whole(monkeypatch):
    profiled = []
    peak_bytes = models_measuring.peak.peak_bytes
    monkeypatch.setattr(
        models_measuring.peak,
        "peak_bytes",
        lambda call, device: profiled.append(call.__name__) or peak_bytes(call, device),
    )
    case = Case("conv", "serezd_gan_adaptive_r1")
    found = measure(case, replace(TINY, overrides=(*NARROW, *GAN)))
    assert isinstance(found, Measured)
    assert found.grid == (4, 4)
    assert found.interval == 4
    assert len(found.plain) == len(found.penalised) == len(found.reference) == found.rounds >= 1
    assert min(*found.plain, *found.penalised, *found.reference, *found.product) > 0
    step = step_of(case.loss, *GAN)
    trained = sum(p.numel() for p in step.state.tokenizer.parameters())
    judge = sum(p.numel() for p in step.adversary.term.discriminator.parameters())
    assert (found.parameters, found.discriminator_parameters) == (trained, judge)
    adam = 3 * 4 * (trained + judge)  # weights and two averages, float32
    assert adam <= found.held <= 1.1 * adam + 10_000  # buffers, images
    assert profiled == ["with_penalty"]
    assert found.peak > 4 * (trained + judge)  # gradients at least
    assert found.product_flops == 2 * 64**3


def test_every_step_trains_both_players_and_only_due_ones_penalise():
    step = step_of("serezd_gan_adaptive_r1", *GAN)
    assert step.interval == 4
    judged = []
    term = step.adversary.term
    penalty = term.r1_penalty
    term.r1_penalty = lambda real: judged.append(len(real)) or penalty(real)
    for take, penalties in ((step.plain, []), (step.with_penalty, [4])):
        before = [
            [p.detach().clone() for p in group]
            for group in (step.state.parameters, step.adversary.parameters)
        ]
        judged.clear()
        take()
        assert judged == penalties
        after = (step.state.parameters, step.adversary.parameters)
        for old, new in zip(before, after, strict=True):
            assert sum(not torch.equal(a, b) for a, b in zip(old, new, strict=True)) > len(old) / 2


def test_a_mean_step_has_a_share_of_the_penalty_in_its_operations():
    step = step_of("serezd_gan_adaptive_r1", *GAN)
    mean = step.flops()
    every = step_of(
        "serezd_gan_adaptive_r1", *GAN, "loss.terms.adversarial.term.r1_interval=1"
    ).flops()
    never = step_of("serezd_gan_adaptive_r1", *GAN, "loss.terms.adversarial.term.r1_gamma=0")
    assert never.interval is None
    plain = never.flops()
    assert every > plain
    assert mean == pytest.approx(plain + (every - plain) / 4)


def test_operations_are_those_of_forward_and_backward():
    """A step of l2 is the forward pass three times, less the gradient of the images."""
    step = step_of("l2")
    images = torch.zeros(4, 3, 16, 16)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        step.state.tokenizer(images)
    forward = counter.get_total_flops()
    assert 2.5 * forward < step.flops() < 3.1 * forward


@pytest.mark.parametrize("model", MODELS)
def test_every_model_takes_a_step(model):
    config = configuration(Case(model, "l2"), Setting(size=32, batch=2, codes=16))
    node = config["model"]
    node |= {k: 16 for k in ("width", "residual_width") if k in node}
    node |= {k: 2 for k in ("depth", "heads") if k in node}
    node |= {"width": 32} if "multipliers" in node else {}
    config["quantizer"]["latent_channels"] = 8
    step = TrainingStep(config, device=CPU)
    step.plain()
    assert step.interval is None
    assert step.grid[0] == 32 // node["downsampling"]


def test_the_reference_is_the_preset_with_the_trainers_overrides():
    case = Case("conv", "l2")
    setting = replace(TINY, overrides=("trainer.clip_norm=null",))
    step = TrainingStep(configuration(case, setting), device=CPU)
    assert models_measuring._reference(setting, case=case, step=step) is step
    setting = replace(setting, overrides=(*NARROW, "trainer.clip_norm=null"))
    other = models_measuring._reference(setting, case=case, step=step)
    assert other is not step
    assert other.parameters == step.parameters
    assert other.experiment.settings.clip_norm is None


def test_short_calls_are_repeated_and_counted_each(monkeypatch):
    """By a clock that the calls move themselves."""
    clock = [0.0]

    def alternate(calls, device, **_):
        return {name: [seconds_of(call, device)] for name, call in calls.items()}

    def seconds_of(call, device):
        start = clock[0]
        call()
        return clock[0] - start

    monkeypatch.setattr(models_measuring, "alternate", alternate)
    monkeypatch.setattr(models_measuring, "seconds_of", seconds_of)
    lengths = {"plain": 8.0, "reference": 0.5, "product": 0.01}
    counts = dict.fromkeys(lengths, 0)

    def call(name):
        clock[0] += lengths[name]
        counts[name] += 1

    calls = {name: lambda name=name: call(name) for name in lengths}
    times = models_measuring._timed(calls, CPU, TINY)
    assert {name: seconds[0] for name, seconds in times.items()} == pytest.approx(lengths)
    assert counts == {"plain": 3, "reference": 1 + 4, "product": 1 + 16}


def test_missing_weights_are_told_and_are_no_failure(monkeypatch):
    def lack(case, setting):
        raise WeightsMissing("no VGG16: run python -m vqx.prepare weights")

    monkeypatch.setattr(models_measuring, "_measure", lack)
    case = Case("conv", "vqgan")
    results = Results({case: measure(case, TINY)})
    assert results.cells[case] == Missing("no VGG16: run python -m vqx.prepare weights")
    models._complain(results)
    assert results.lines()[0]["note"].endswith("vqx.prepare weights")
    row = results.table("", size=64, device="").rows[0]
    assert row[-1].text == "no VGG16: run python -m vqx.prepare weights"


def test_figures_are_medians_of_ratios_within_a_round():
    assert MADE_UP.seconds == 0.2
    assert MADE_UP.images_per_second == 40
    assert MADE_UP.of_reference == pytest.approx(2)
    assert MADE_UP.of_peak == pytest.approx(0.4)  # 4 products of work in the time of 10
    assert MADE_UP.peak_flops == pytest.approx(2e11)
    disturbed = replace(MADE_UP, plain=[0.3, 0.6, 3.0], reference=[0.1, 0.1, 1.0])
    assert disturbed.of_reference == pytest.approx(3)


def test_a_penalty_counts_once_in_its_interval():
    lazy = replace(MADE_UP, penalised=[1.8, 2.0, 1.7], interval=16)
    assert lazy.seconds == pytest.approx(0.3)
    assert lazy.of_reference == pytest.approx(3)
    assert lazy.of_peak == pytest.approx(4 / 15)
    assert replace(lazy, interval=1).seconds == 1.8


def test_the_table_has_every_figure_once():
    lazy = replace(MADE_UP, penalised=[1.8, 2.0, 1.7], interval=16)
    cells = {
        Case("resnet", "l2"): replace(MADE_UP, discriminator_parameters=0),
        Case("resnet", "maskgit_gan"): lazy,
        Case("vit", "l2"): Failure("out of memory"),
    }
    table = Results(cells).table("caption", size=64, device="a CPU")
    first, second, third = ([cell.text for cell in row] for row in table.rows)
    assert len(first) == len(third) == len(HEADER)
    assert first[1:] == ["16x16", "35.82", "-", "200", "40", "2", "1", "40", "8", "3", ""]
    assert second[3:6] == ["28.86", "300", "26.7"]
    assert second[-1] == "R1 every 16 steps"
    assert third[-1] == "failed: out of memory"
    assert "0.2 TFLOP/s" in render_markdown(table)


def test_speeds_stand_beside_the_seeds_at_its_size_only():
    cells = {
        Case("resnet", "l2"): MADE_UP,
        Case("resnet", "serezd_gan_adaptive_r1"): replace(MADE_UP, plain=[0.1, 0.1, 0.1]),
        Case("conv", "l2"): MADE_UP,
    }
    assert seed_notes(cells, 64, "X") == []
    plain, gan = seed_notes(cells, 256, "X")
    assert "40 images/s on X" in plain.text
    assert "169 on one A100: 0.24 times" in plain.text
    assert "80 images/s" in gan.text
    assert "35 on one A100: 2.29 times" in gan.text


def parse(*words):
    parser = argparse.ArgumentParser()
    models.add_arguments(parser)
    return parser.parse_args(words)


def test_all_models_and_losses_by_default():
    cases = models._cases(parse())
    assert cases == models._cases(parse("--losses", *LOSSES))  # which are known
    assert len(cases) == len(set(cases)) == len(MODELS) * len(LOSSES)
    setting = models._setting(parse("--device", "cpu"))
    assert (setting.size, setting.batch, setting.precision) == (64, 8, "fp32")
    quick = parse("--device", "cpu", "--quick", "--losses", "l1", "--batch", "3")
    assert models._cases(quick) == [Case("conv", "l1"), Case("resnet", "l1")]
    assert (models._setting(quick).size, models._setting(quick).batch) == (32, 3)


@pytest.mark.parametrize(
    "words",
    [["--models", "nope"], ["--losses", "nope"], ["--size", "0"], ["--out", "/nowhere/x.md"]],
)
def test_wrong_arguments_are_told_before_anything_runs(words, monkeypatch):
    monkeypatch.setattr(models, "_measure_all", lambda *arguments: pytest.fail("ran"))
    with pytest.raises(ConfigError):
        models.run(parse("--quick", "--device", "cpu", *words))


def test_tables_are_written_and_failures_named(monkeypatch, capsys, tmp_path):
    def found(cases, setting, results):
        results.cells |= dict(zip(cases, [MADE_UP, Failure("why")], strict=True))

    monkeypatch.setattr(models, "_measure_all", found)
    monkeypatch.setattr(models, "_count_all", lambda numbers: numbers.update({"swasun, VQ": 6}))
    out = tmp_path / "models.md"
    with pytest.raises(VqxError, match="conv, vqgan"):
        models.run(parse("--models", "conv", "--losses", "l2", "vqgan", "--out", str(out)))
    assert "| conv, l2 | 16x16 |" in out.read_text()
    assert "| swasun, VQ |" in out.read_text()
    assert "failed: why" in capsys.readouterr().out
    first, second = csv.DictReader((tmp_path / "models.csv").open())
    assert float(first["of_reference"]) == pytest.approx(2)
    assert int(first["peak_bytes"]) == 8 << 20
    assert second["note"] == "failed: why"
    (line,) = csv.DictReader((tmp_path / "models-parameters.csv").open())
    assert line["ours"] == "6"
