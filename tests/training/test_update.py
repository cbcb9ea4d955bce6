"""One optimizer step: accumulation, ragged or not, and ranks give the gradient of one big batch.

With a discriminator too: both players, both optimizers, an adaptive weight and LeCam's averages.
"""

import copy
import shutil

import pytest
import torch
import torch.distributed as dist
from torch import nn

from tests.training.parts import small_tokenizer
from tests.training.test_step import QUANTIZERS, images
from tests.training.updating import (
    CPU,
    LOSSES,
    adversarial,
    assert_same,
    settings,
    trained,
)
from vqx.losses import L2, Adversarial, Weighted, WeightedSum
from vqx.training.adversary import Adversary, Pair
from vqx.training.gradients import HeadGradients
from vqx.training.health import CodebookHealth
from vqx.training.inputs import MicroBatch
from vqx.training.precision import Precision
from vqx.training.state import make_optimizer
from vqx.training.step import (
    TrainingForward,
    to_float,
)
from vqx.training.update import Update

CASES = [*((kind, "l2") for kind in QUANTIZERS), *(("vq", loss) for loss in LOSSES if loss != "l2")]


@pytest.mark.parametrize(("kind", "loss"), CASES)
@pytest.mark.parametrize("parts", [2, 4, 3], ids=["2x4", "4x2", "ragged"])
def test_accumulation_changes_nothing(kind, loss, parts):
    whole, logged = trained(kind, loss, [images()])
    split, logged_split = trained(kind, loss, list(images().tensor_split(parts)))
    assert_same(split, whole)
    assert logged_split.keys() == logged.keys()
    for name, value in logged.items():
        if not name.endswith(("_norm", "_ratio")) or name == "gradient_norm":
            assert logged_split[name] == pytest.approx(value, rel=2e-3, abs=1e-6), name


def on_ranks(kind, loss, parts):
    rank, size = dist.get_rank(), dist.get_world_size()
    mine = images().tensor_split(size)[rank]
    return trained(kind, loss, list(mine.tensor_split(parts)), world_size=size)


@pytest.mark.parametrize(("kind", "loss"), CASES)
@pytest.mark.parametrize("parts", [1, 2, 3], ids=["whole", "2", "ragged"])
def test_two_ranks_equal_one(kind, loss, parts, two_ranks):
    whole, logged = trained(kind, loss, [images()])
    (first, logged_first), (second, logged_second) = two_ranks(on_ranks, kind, loss, parts)
    assert_same(first, whole)
    assert_same(second, whole)
    same = ("l2", "loss", "quantizer", "usage", "perplexity", "dead_code_age")
    gan = ("adversarial", "weight_adversarial", "discriminator", "r1", "lecam", "logits_fake")
    for name in (*same, *(gan if loss != "l2" else ())):
        mean = (logged_first[name] + logged_second[name]) / 2
        assert mean == pytest.approx(logged[name], rel=1e-3, abs=1e-6), name


@pytest.mark.parametrize("loss", ["l2", "fixed", "adaptive", "perceptual"])
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_reduced_precision_stays_near_float32(loss, precision):
    whole, exact = trained("fsq", loss, [images()], steps=1)
    rounded, logged = trained("fsq", loss, [images()], steps=1, precision=precision)
    for name, value in whole.items():
        assert (rounded[name] - value).abs().max() < 2e-2, name
    if loss != "l2":
        weight = exact["weight_adversarial"]
        assert logged["weight_adversarial"] == pytest.approx(weight, rel=0.1)


def test_the_discriminator_is_untouched_before_its_start():
    before = LOSSES["late"]().state_dict()
    state, logged = trained("vq", "late", [images()], steps=2)
    for name, value in before.items():
        assert torch.equal(state[name], value.double()), name
    assert logged["weight_adversarial"] == logged["discriminator"] == logged["adversarial"] == 0
    state, logged = trained("vq", "late", [images()], steps=3)
    assert any(not torch.equal(state[name], value.double()) for name, value in before.items())
    assert logged["weight_adversarial"] == pytest.approx(0.3)


@pytest.mark.parametrize("loss", ["adaptive", "perceptual"])
def test_the_adaptive_weight_is_the_ratio_of_gradients_at_the_last_layer(loss):
    _, logged = trained("vq", loss, [images()], steps=1)
    torch.manual_seed(0)
    model, losses = small_tokenizer(QUANTIZERS["vq"]()), LOSSES[loss]()
    target = to_float(images())
    output, _ = model(target)
    values = losses.values(output, target, step=0)
    rest = values["lpips"] if loss == "perceptual" else 0.5 * values["l1"] + values["l2"]
    last = model.decoder.layers[-1].weight
    slopes = [
        torch.autograd.grad(value, last, retain_graph=True)[0].norm()
        for value in (rest, values["adversarial"])
    ]
    eps = 1e-8 if loss == "perceptual" else 0.1
    expected = 0.8 * slopes[0] / (slopes[1] + eps)
    assert logged["weight_adversarial"] == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize("loss", ["adaptive", "perceptual"])
def test_one_step_is_that_of_a_loss_written_out(loss):
    """The cut graph gives what one backward pass through everything gives."""
    state, logged = trained("vq", loss, [images()], steps=1)
    torch.manual_seed(0)
    model, losses = small_tokenizer(QUANTIZERS["vq"]()), LOSSES[loss]()
    target = to_float(images())
    output, quantized = model(target)
    values = losses.values(output, target, step=0)
    weights = {**losses.weights, "adversarial": logged["weight_adversarial"]}
    total = quantized.loss + sum(weights[name] * value for name, value in values.items())
    total.backward()
    assert logged["loss"] == pytest.approx(float(total.detach()), rel=1e-5)
    parameters = list(model.parameters())
    norm = nn.utils.clip_grad_norm_(parameters, 1.0)
    assert logged["gradient_norm"] == pytest.approx(float(norm), rel=1e-4)
    torch.optim.SGD(parameters, lr=0.1).step()
    for name, value in model.named_parameters():
        torch.testing.assert_close(state[name], value.double(), rtol=1e-4, atol=1e-6, msg=name)


def test_an_overflow_of_fp16_is_skipped_by_both_players_and_no_news_of_the_loss():
    torch.manual_seed(0)
    model, losses = small_tokenizer(QUANTIZERS["vq"]()), LOSSES["adaptive"]()
    forward, wanted = TrainingForward(model), settings(precision="fp16")
    parameters = list(forward.parameters())
    update = Update(
        forward,
        losses,
        torch.optim.SGD(parameters, lr=0.1),
        parameters,
        Precision("fp16", CPU),
        CodebookHealth(model.quantizer, CPU),
        clip_norm=1.0,
        steps=9,
        adversary=Adversary.of(losses, settings=wanted, device=CPU),
    )
    for precision in (update.precision, update.adversary.precision):
        precision.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
    target = to_float(images())
    before = copy.deepcopy([*parameters, *update.adversary.parameters])
    values = update([MicroBatch(target, target, 1.0)], step=0)
    assert not values["gradient_norm"].isfinite()
    for name in ("loss", "weight_adversarial", "discriminator"):
        assert values[name].isfinite(), name
    for ours, theirs in zip([*parameters, *update.adversary.parameters], before, strict=True):
        assert torch.equal(ours, theirs)
    assert update.precision.scaler.get_scale() < 2.0**40


def test_pretraining_leaves_the_codebooks_optimizer_unused():
    torch.manual_seed(0)
    model, losses = small_tokenizer(QUANTIZERS["vq"]()), LOSSES["l2"]()
    forward = TrainingForward(model)
    parameters = list(forward.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=1e-3)
    health = CodebookHealth(model.quantizer, CPU)
    update = Update(forward, losses, optimizer, parameters, Precision("fp32", CPU), health, 1.0, 9)
    target = to_float(images())
    for step in range(3):
        update([MicroBatch(target, target, 1.0)], step=step, quantize=step == 2)
    steps = {id(p): int(optimizer.state[p]["step"]) for p in parameters}
    assert {steps[id(p)] for p in model.quantizer.parameters()} == {1}
    assert {steps[id(p)] for p in model.encoder.parameters()} == {3}


def test_the_adaptive_weight_is_of_the_kernel_in_use_with_weight_norm():
    weights = []
    for normed in (False, True):
        torch.manual_seed(0)
        model = small_tokenizer(QUANTIZERS["vq"]())
        if normed:
            nn.utils.parametrizations.weight_norm(model.decoder.layers[-1], dim=1)
        head = HeadGradients(model, Precision("fp32", CPU))
        head.begin(watching=True)
        output, _ = model(to_float(images()))
        head.add([torch.ones_like(output), output.detach()], share=1.0)
        weights.append([[g.norm() for g in kind] for kind in head.sums()])
    torch.testing.assert_close(weights[0], weights[1])


def test_lecam_holds_to_the_averages_of_the_steps_before():
    state, logged = trained("vq", "fixed", [images()], steps=2)
    assert int(state["terms.adversarial.steps_averaged"]) == 2
    assert logged["lecam"] > 0
    _, first = trained("vq", "fixed", [images()], steps=1)
    assert first["lecam"] == 0


def test_the_discriminators_rate_is_its_own_from_its_start_on():
    losses = WeightedSum(
        {
            "l2": Weighted(L2(), 1.0),
            "adversarial": Weighted(adversarial(learning_rate=0.5, betas=(0.0, 0.9)), 1.0, 10),
        }
    )
    wanted = settings(warmup_steps=4, minimum_learning_rate=0.0)
    adversary = Adversary.of(losses, settings=wanted, device=CPU)
    real = to_float(images(2))
    rates = []
    for step in (9, 10, 13, 29):
        adversary.update([Pair(real, real * 0.5, 1.0)], step=step, steps=30)
        rates.append(adversary.optimizer.param_groups[0]["lr"])
    assert rates[1:] == pytest.approx([0.125, 0.5, 0.0], abs=1e-6)
    assert adversary.optimizer.param_groups[0]["betas"] == (0.0, 0.9)


def test_r1_counts_interval_times_in_the_steps_it_is_due():
    """With a linear discriminator a.x and R1 alone the step is -rate * gamma * a * interval."""
    linear = nn.Conv2d(1, 1, 2, bias=False)
    term = Adversarial(linear, r1_gamma=0.5, r1_interval=4)
    losses = WeightedSum({"l2": Weighted(L2(), 1.0), "adversarial": Weighted(term, 1.0, 3)})
    adversary = Adversary.of(losses, settings=settings(clip_norm=None), device=CPU)
    adversary.optimizer = torch.optim.SGD(adversary.parameters, lr=0.01)
    adversary._set_rate = lambda *_: None
    alike = torch.full((3, 1, 2, 2), 0.01)  # real and fake alike: the hinge's gradients cancel
    due = 1 - 0.01 * 0.5 * 4
    # Counted from the discriminator's own first step, here 3.
    for step, factor in ((3, due), (4, 1.0), (7, due)):
        before = linear.weight.detach().clone()
        values = adversary.update([Pair(alike, alike, 1.0)], step=step, steps=9)
        torch.testing.assert_close(linear.weight.detach(), before * factor)
        if step != 4:
            torch.testing.assert_close(values["r1"], 0.25 * before.square().sum())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile on CPUs needs g++")
@pytest.mark.parametrize("parts", [1, 2])
def test_a_compiled_tokenizer_trains_with_an_adaptive_weight(parts):
    batches = list(images().tensor_split(parts))
    whole, logged = trained("vq", "adaptive", batches)
    torch.compiler.reset()
    compiled, logged_compiled = trained("vq", "adaptive", batches, compiled=True)
    assert_same(compiled, whole)
    weight = logged["weight_adversarial"]
    assert logged_compiled["weight_adversarial"] == pytest.approx(weight, rel=1e-3)


def test_the_optimizer_takes_amsgrad_and_decays_matrices_alone():
    from types import SimpleNamespace

    wanted = settings(amsgrad=True, weight_decay=0.1)
    experiment = SimpleNamespace(settings=wanted, tokenizer=small_tokenizer(QUANTIZERS["vq"]()))
    optimizer = make_optimizer(experiment)
    assert optimizer.defaults["amsgrad"]
    decays = {g["weight_decay"]: [p.ndim for p in g["params"]] for g in optimizer.param_groups}
    assert min(decays[0.1]) > 1
