"""A whole optimizer step of one model and loss, as the trainer takes it, on images of noise.

Axes: B images, C channels, H W pixels, h w latent positions.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from vqx.config import composed
from vqx.data import Data
from vqx.data.in_memory import TensorImages
from vqx.training.experiment import build_experiment
from vqx.training.inputs import MicroBatch
from vqx.training.start import start_codebook
from vqx.training.state import TrainState
from vqx.training.step import (
    TrainingForward,
    compile_tokenizer,
    reseed,
    shared_generator,
    to_float,
)
from vqx.training.update import Update

# Overrides of vqx.train. The resnet's width of latents is that of its published runs.
MODELS: dict[str, tuple[str, ...]] = {
    "conv": ("model=conv",),
    "conv_batch_norm": ("model=conv", "model.norm=batch"),
    "conv_weight_norm": ("model=conv", "model.weight_norm=true"),
    "resnet": ("model=resnet", "latent_channels=256"),
    "resnet_attention": ("model=resnet", "model.attention=true", "latent_channels=256"),
    "vit": ("model=vit",),
    "linear_vit": ("model=linear_vit",),
    "minimal": ("model=minimal",),
    "strided": ("model=strided",),
}
LOSSES = (
    "l2",
    "l1_lpips",
    "vqgan",
    "serezd_gan_fixed",
    "serezd_gan_adaptive",
    "serezd_gan_adaptive_r1",
    "maskgit_gan",
)
CHANNELS = 3
_RUN = 1_000_000  # steps of the run: warm-up and decay are far away
# So small that weights of noise images stay what they were at their start.
_FIXED = (
    "quantizer=vq",
    "metrics=fast",
    "trainer.learning_rate=1e-6",
    "trainer.minimum_learning_rate=1e-6",
    f"trainer.steps={_RUN}",
)


@dataclass(frozen=True, slots=True)
class Case:
    """A name of MODELS and one of conf/loss."""

    model: str
    loss: str

    def __str__(self) -> str:
        return f"{self.model}, {self.loss}"


@dataclass(frozen=True, slots=True)
class Setting:
    """What all cases share; `budget` seconds for the rounds of one; `overrides` of vqx.train."""

    device: str = "cpu"
    size: int = 64
    batch: int = 8
    codes: int = 1024
    precision: str = "fp32"
    compiled: bool = False
    rounds: int = 5
    budget: float = 20.0
    overrides: tuple[str, ...] = ()


def configuration(case: Case, setting: Setting) -> dict[str, Any]:
    """The plain configuration of a run of `case`. Raises ConfigError for what cannot be."""
    config = composed(
        [
            *_FIXED,
            *MODELS[case.model],
            f"loss={case.loss}",
            f"codebook_size={setting.codes}",
            f"trainer.batch_size={setting.batch}",
            f"trainer.precision={setting.precision}",
            f"trainer.device={setting.device}",
            f"trainer.compile={str(setting.compiled).lower()}",
            *setting.overrides,
        ]
    )
    config["data"] = {
        "_target_": f"{__name__}.noise",
        "images": setting.batch,
        "image_size": setting.size,
    }
    return config


def noise(*, images: int, image_size: int) -> Data:
    """A data set of `images` uint8 (3, image_size, image_size) of noise, the same each time."""
    generator = torch.Generator().manual_seed(0)
    size = (images, CHANNELS, image_size, image_size)
    pixels = torch.randint(256, size, dtype=torch.uint8, generator=generator)
    held = TensorImages(
        pixels, name="noise", split="train", image_size=image_size, description="noise"
    )
    return Data(held, held, "noise", CHANNELS, image_size)


class TrainingStep:
    """Takes optimizer steps of a `configuration` on one batch that is on the device.

    The discriminator takes part from the first one on. `interval`: every so many steps there is one
    `with_penalty` (R1); None without.
    """

    def __init__(self, config: dict[str, Any], *, device: torch.device) -> None:
        self.experiment = build_experiment(config, device=device)
        settings, losses = self.experiment.settings, self.experiment.losses
        self.state = state = TrainState(self.experiment, device=device)
        self.adversary = state.adversary
        self._first = 0 if state.adversary is None else state.adversary.start
        self._update = Update(
            TrainingForward(state.tokenizer),
            losses,
            state.optimizer,
            state.parameters,
            state.precision,
            state.health,
            settings.clip_norm,
            self._first + _RUN,
            state.adversary,
        )
        train = self.experiment.data.train
        assert isinstance(train, TensorImages)
        self._images = train.images.to(device)
        self._prepare()

    @property
    def interval(self) -> int | None:
        """Optimizer steps from one R1 to the next, None without R1."""
        term = None if self.adversary is None else self.adversary.term
        return term.r1_interval if term is not None and term.r1_gamma > 0 else None

    @property
    def parameters(self) -> tuple[int, int]:
        """Trained parameters of tokenizer and discriminator, 0 without one."""
        theirs = [] if self.adversary is None else self.adversary.parameters
        return _size(self.state.parameters), _size(theirs)

    @property
    def grid(self) -> tuple[int, int]:
        """Latent positions (h, w) of an image."""
        with torch.no_grad():
            latents = self.state.tokenizer.eval().encoder(to_float(self._images[:1]))
        self.state.tokenizer.train()
        return latents.shape[-2], latents.shape[-1]

    def compile(self) -> None:
        """torch.compile the tokenizer as the trainer does; the next step takes long."""
        compile_tokenizer(self.state.tokenizer)

    def plain(self) -> None:
        """A step without R1 (with it where every step has it)."""
        self._take(self._first + 1)

    def with_penalty(self) -> None:
        """A step with R1, where there is one."""
        self._take(self._first)

    def flops(self) -> float:
        """Floating point operations of matrix products and convolutions of a mean step."""
        plain = _counted(self.plain)
        if self.interval is None:
            return plain
        return plain + (_counted(self.with_penalty) - plain) / self.interval

    def clear(self) -> None:
        """Let go of gradients."""
        self.state.optimizer.zero_grad(set_to_none=True)
        if self.adversary is not None:
            self.adversary.optimizer.zero_grad(set_to_none=True)

    def _take(self, step: int) -> None:
        reseed(0, rank=0, step=step)
        target = to_float(self._images)
        self._update([MicroBatch(target, target, 1.0)], step=step)
        generator = shared_generator(0, step=step)
        self.state.tokenizer.quantizer.update_codebook(generator=generator)

    def _prepare(self) -> None:
        """What a run finds out of its data before the first step."""
        target = to_float(self._images)
        if self.experiment.losses.needs_variance:
            self.experiment.losses.set_variance(float(target.var()))
        if self.state.tokenizer.quantizer.needs_initialization:
            generator = shared_generator(0, step=-1)
            start_codebook(self.state.tokenizer, iter([[target]]), batches=1, generator=generator)


def _counted(step: Callable[[], None]) -> float:
    counter = FlopCounterMode(display=False)
    # Its own, which tells modules apart, does not go with torch.autograd.grad.
    counter.mod_tracker = _OneModule()  # type: ignore[assignment]
    with counter:
        step()
    return float(counter.get_total_flops())


class _OneModule(nullcontext[None]):
    """Stands for torch's ModTracker: all operations are of one and the same module."""

    parents = frozenset({"Global"})


def _size(parameters: Sequence[nn.Parameter]) -> int:
    return sum(parameter.numel() for parameter in parameters)
