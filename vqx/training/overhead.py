"""What the trainer costs beside forward, backward and optimizer, against a bare loop.

Both loops train copies of one model in alternating rounds, so that a busy machine slows both.
"""

import copy
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from vqx.config import composed
from vqx.runs.folder import RunFolder
from vqx.runs.status import Heartbeat
from vqx.training.experiment import Experiment, build_experiment
from vqx.training.loggers import NoLogger
from vqx.training.loop import Trainer
from vqx.training.precision import Precision
from vqx.training.progress import ProgressBar
from vqx.training.record import Record
from vqx.training.signals import StopRequest
from vqx.training.state import TrainState, make_optimizer
from vqx.training.step import to_float
from vqx.training.world import World, pick_device


def measure_overhead(overrides: Sequence[str], *, steps: int, rounds: int) -> str:
    """A readable account of one comparison: `rounds` pairs of `steps` steps after a warm-up."""
    config = composed([*overrides, f"trainer.steps={steps * (rounds + 2)}"])
    device = pick_device(config["trainer"]["device"], 0)
    experiment = build_experiment(config, device=device)
    with tempfile.TemporaryDirectory() as place:
        ours = _trainer_round(experiment, RunFolder(Path(place)), device, steps)
        ours()  # the codebook's start, before the copy
        bare = _bare_round(copy.deepcopy(experiment), device, steps)
        pairs = [(_timed(ours, device), _timed(bare, device)) for _ in range(rounds + 1)][1:]
    ratios = [mine / other for mine, other in pairs]
    median = statistics.median(ratios)
    images = steps * experiment.settings.batch_size
    return (
        f"{device.type}, batch {experiment.settings.batch_size}, {rounds} pairs of {steps} steps\n"
        f"trainer   {images / statistics.median(a for a, _ in pairs):8.1f} images/s\n"
        f"bare loop {images / statistics.median(b for _, b in pairs):8.1f} images/s\n"
        f"trainer / bare: median {median:.3f} (min {min(ratios):.3f}, max {max(ratios):.3f})\n"
        f"share of a step outside forward, backward and optimizer: {1 - 1 / median:.1%}"
    )


def _trainer_round(
    experiment: Experiment, folder: RunFolder, device: torch.device, steps: int
) -> Callable[[], None]:
    """A call that takes the next `steps` steps as the trainer's loop does, log lines and all."""
    state = TrainState(experiment, device=device)
    heartbeat = Heartbeat(folder, steps=0)
    record = Record(folder, NoLogger(), heartbeat)
    bar = ProgressBar(total=steps, initial=0, shown=False)
    trainer = Trainer(experiment, state, World(0, 1, device), StopRequest(), record, bar)
    return lambda: trainer.advance(steps)


def _bare_round(experiment: Experiment, device: torch.device, steps: int) -> Callable[[], None]:
    """A call that repeats forward, backward and optimizer on one batch that is on the device."""
    settings, data = experiment.settings, experiment.data
    tokenizer, losses = experiment.tokenizer, experiment.losses
    if settings.compile:
        experiment.tokenizer.compile()
    optimizer = make_optimizer(experiment)
    precision = Precision(settings.precision, device)
    size = (settings.batch_size, data.channels, data.image_size, data.image_size)
    images = torch.randint(256, size, dtype=torch.uint8, device=device)

    def run() -> None:
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            target = to_float(images)
            with precision.autocast():
                output, quantized = tokenizer(target)
                loss, _ = losses(tokenizer.images_of(output), target, step=0, logits=output)
            precision.backward(loss + quantized.loss)
            precision.scaler.step(optimizer)
            precision.scaler.update()
            experiment.tokenizer.quantizer.update_codebook()

    return run


def _timed(call: Callable[[], None], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
