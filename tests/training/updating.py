"""One optimizer step, or a few, of a small tokenizer with any loss: what is left and logged."""

import copy

import torch
from torch import nn

from tests.training.parts import small_tokenizer
from tests.training.test_step import QUANTIZERS
from vqx.losses import L1, L2, Adversarial, LpipsLoss, Weighted, WeightedSum
from vqx.training.adversary import Adversary
from vqx.training.health import CodebookHealth
from vqx.training.inputs import MicroBatch
from vqx.training.precision import Precision
from vqx.training.settings import TrainerSettings
from vqx.training.step import (
    TrainingForward,
    compile_tokenizer,
    parallel,
    shared_generator,
    to_float,
)
from vqx.training.update import Update

CPU = torch.device("cpu")
STEPS = 3


class Blurred(LpipsLoss):
    """A perceptual term without a network."""

    def __init__(self):
        nn.Module.__init__(self)

    def forward(self, reconstruction, images):
        pool = nn.functional.avg_pool2d
        return (pool(reconstruction, 2) - pool(images, 2)).abs().mean()

    def _apply(self, fn, recurse=True):
        return nn.Module._apply(self, fn, recurse)


def discriminator():
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.SiLU(), nn.Conv2d(8, 1, 4, 2, 1))


def adversarial(**options):
    return Adversarial(discriminator(), lecam_weight=0.1, r1_gamma=2.0, r1_interval=2, **options)


LOSSES = {
    "l2": lambda: WeightedSum({"l2": Weighted(L2(), 1.0)}),
    "fixed": lambda: WeightedSum(
        {"l2": Weighted(L2(), 1.0), "adversarial": Weighted(adversarial(), 0.3)}
    ),
    "adaptive": lambda: WeightedSum(
        {
            "l1": Weighted(L1(), 0.5),
            "l2": Weighted(L2(), 1.0),
            # An eps that would be lost beside gradients times a loss scale.
            "adversarial": Weighted(adversarial(adaptive="reconstruction", adaptive_eps=0.1), 0.8),
        }
    ),
    "perceptual": lambda: WeightedSum(
        {
            "l2": Weighted(L2(), 1.0),
            "lpips": Weighted(Blurred(), 0.1),
            "adversarial": Weighted(adversarial(adaptive="perceptual", adaptive_eps=1e-8), 0.8),
        }
    ),
    "late": lambda: WeightedSum(
        {"l2": Weighted(L2(), 1.0), "adversarial": Weighted(adversarial(), 0.3, start_step=2)}
    ),
}


def settings(**changes):
    from vqx.config import composed

    trainer = {**composed([])["trainer"], "warmup_steps": 0, "learning_rate": 1e-2, **changes}
    return TrainerSettings.from_config(trainer)


def trained(
    kind, loss, micro_batches, *, world_size=1, steps=STEPS, precision="fp32", compiled=False
):
    """Parameters, buffers and logged values after a few steps over 8 global images."""
    torch.manual_seed(0)
    model, losses = small_tokenizer(QUANTIZERS[kind]()), LOSSES[loss]()
    forward = TrainingForward(model)
    parameters = list(forward.parameters())
    if compiled:
        compile_tokenizer(model)
    if world_size > 1:
        forward = parallel(forward)
    health = CodebookHealth(model.quantizer, CPU)
    wanted = settings(precision=precision)
    update = Update(
        forward,
        losses,
        torch.optim.SGD(parameters, lr=0.1),
        parameters,
        Precision(precision, CPU),
        health,
        clip_norm=1.0,
        steps=steps,
        adversary=Adversary.of(losses, settings=wanted, device=CPU),
    )
    if update.adversary is not None:  # Adam's first steps are signs, which rounding can turn
        players = update.adversary.parameters
        update.adversary.optimizer = torch.optim.SGD(players, lr=0.1)
    floats = [to_float(batch) for batch in micro_batches]
    batches = [MicroBatch(x, x, len(x) * world_size / 8) for x in floats]
    for step in range(steps):
        values = update(batches, step=step)
        model.quantizer.update_codebook(generator=shared_generator(0, step=step))
    whole = {**model.state_dict(), **losses.state_dict()}
    state = {name: value.double() for name, value in copy.deepcopy(whole).items()}
    logged = {name: float(value) for name, value in values.items()}
    return state, {**logged, **health.values(step=steps)}


def assert_same(ours, theirs):
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=2e-4, atol=2e-6, msg=name)
