"""Build everything a run trains from its plain configuration.

The only place beside `train.py` that sees a configuration: the parts take plain keywords.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from vqx.collectives import world_size
from vqx.data import Data
from vqx.durations import steps_in
from vqx.errors import ConfigError, VqxError
from vqx.losses import WeightedSum
from vqx.metrics import CodebookUse, Metric, build_metrics
from vqx.models import Tokenizer
from vqx.quantizers import Quantizer
from vqx.quantizers.contracts import check_contracts
from vqx.training.gradients import perceptual_term
from vqx.training.masking import PatchMask
from vqx.training.settings import TrainerSettings


@dataclass(frozen=True, slots=True)
class Experiment:
    """The parts of one run, on this rank's device."""

    config: dict[str, Any]
    settings: TrainerSettings
    data: Data
    tokenizer: Tokenizer
    losses: WeightedSum
    metrics: list[Metric]
    missing: dict[str, str]  # metrics that cannot be had -> reason and remedy

    @property
    def mask(self) -> PatchMask | None:
        """What is dropped from inputs in masked training, None without."""
        share, patch = self.settings.mask_share, self.settings.mask_patch
        return PatchMask(share, patch) if share and patch else None

    @property
    def seed(self) -> int:
        """The run's seed."""
        return int(self.config["seed"])


def construct(node: Mapping[str, Any], *, what: str, given: Mapping[str, Any] | None = None) -> Any:
    """Instantiate a configuration node with the `given` keywords beside its own.

    Mistakes in it become a ConfigError naming `what`.
    """
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    try:
        return instantiate(node, **(given or {}), _convert_="all")
    except InstantiationException as error:
        cause = _root_cause(error)
        if isinstance(cause, VqxError):
            raise type(cause)(f"{cause}") from error
        if isinstance(cause, (TypeError, ValueError, ImportError, AttributeError)):
            raise ConfigError(f"{what}={node.get('_target_')}: {cause}") from error
        raise


def _root_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None and not isinstance(error, VqxError):
        error = error.__cause__
    return error


def build_tokenizer(
    config: Mapping[str, Any], *, image_channels: int, pixel_levels: int | None = None
) -> Tokenizer:
    """Encoder, quantizer and decoder, initialised from torch's present generator.

    pixel_levels: of each pixel, where the decoder is to give their logits instead of images.
    """
    quantizer = construct(config["quantizer"], what="quantizer")
    if not isinstance(quantizer, Quantizer):
        raise ConfigError(f"quantizer: {type(quantizer).__name__} is no vqx.quantizers.Quantizer")
    for name in ("latent_channels", "codebook_size"):
        if getattr(quantizer, name) < 1:
            kind, size = type(quantizer).__name__, getattr(quantizer, name)
            raise ConfigError(f"{kind}.{name} is {size}: at least 1 is needed")
    given = {"image_channels": image_channels, "latent_channels": quantizer.latent_channels}
    if pixel_levels is not None:
        given["output_channels"] = image_channels * pixel_levels
    encoder, decoder = construct(config["model"], what="model", given=given)
    return Tokenizer(encoder, quantizer, decoder, pixel_levels=pixel_levels)


def build_experiment(config: dict[str, Any], *, device: torch.device) -> Experiment:
    """Everything but the optimizer, with every quantizer contract checked.

    The same seed gives the same weights on every rank and device.
    """
    settings = TrainerSettings.from_config(config["trainer"])
    data = construct(config["data"], what="data")
    epoch = len(data.train) / settings.batch_size
    run = steps_in(settings.steps, name="trainer.steps", steps_per_epoch=epoch)
    losses = build_losses(config, data, seed=int(config["seed"]), epoch=epoch, run=run).to(device)
    torch.manual_seed(int(config["seed"]))
    tokenizer = build_tokenizer(
        config, image_channels=data.channels, pixel_levels=losses.pixel_levels
    )
    check_downsampling(tokenizer, data)
    check_splittable(
        tokenizer, losses, batch_size=settings.batch_size, accumulation=settings.accumulation
    )
    tokenizer.quantizer.set_epoch_length(epoch, run=run)
    check_contracts(tokenizer.quantizer, device=device)
    size = (data.image_size, data.image_size)
    configured, missing = build_metrics(config["metrics"], device=device, image_size=size)
    quantizer = tokenizer.quantizer
    codebook_use = CodebookUse(quantizer.codebook_size, quantizer.codebooks).to(device)
    metrics: list[Metric] = [codebook_use, *configured]
    missing |= codebook_use.missing
    memory_format = torch.channels_last if settings.channels_last else torch.contiguous_format
    tokenizer = tokenizer.to(device).to(memory_format=memory_format)
    if named := losses.adversarial:
        named[1].discriminator.to(memory_format=memory_format)
    return Experiment(config, settings, data, tokenizer, losses, metrics, missing)


def build_losses(
    config: Mapping[str, Any], data: Data, *, seed: int, epoch: float, run: int
) -> WeightedSum:
    """The loss of a run of `run` steps, `epoch` of them an epoch, with its discriminator.

    Raises ConfigError for a term that would have to learn, which only discriminators do.
    """
    losses: WeightedSum = construct(config["loss"], what="loss")
    # Drawn apart from the tokenizer, which starts the same with any loss.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        losses.attach(image_channels=data.channels, image_size=data.image_size)
    losses.set_epoch_length(epoch, run=run)
    for name, term in losses.terms.items():
        if any(p.requires_grad for p in term.parameters()):
            raise ConfigError(
                f"loss term {name} has parameters that require gradients: nothing trains them"
            )
        start = losses.start_steps[name]
        if losses.weights[name] > 0 and start >= run:
            raise ConfigError(
                f"loss term {name} starts at step {start:,}, after the run of {run:,} steps: lower "
                f"its start_step (say '25%'), or leave the term out: ~loss.terms.{name}"
            )
    if named := losses.adversarial:
        name, term = named
        start = losses.start_steps[name]
        if term.adaptive == "perceptual" and perceptual_term(losses, step=start) is None:
            raise ConfigError(
                f"loss term {name}: adaptive=perceptual needs an LPIPS term to compare with, of "
                f"positive weight and from step {start:,} on at the latest"
            )
    return losses


def check_splittable(
    tokenizer: Tokenizer, losses: WeightedSum, *, batch_size: int, accumulation: int
) -> None:
    """Raise ConfigError where micro-batches or ranks would change the result.

    Those are statistics of the batch, and of groups of its images that would be cut apart.
    """
    parts = [("the model", tokenizer.encoder), ("the model", tokenizer.decoder)]
    if named := losses.adversarial:
        parts.append(("the discriminator", named[1].discriminator))
    for what, module in parts:
        if accumulation > 1 and getattr(module, "batch_statistics", False):
            raise ConfigError(
                f"trainer.accumulation={accumulation}: {what} has batch normalisation, whose "
                "statistics would be of a micro-batch: set accumulation=1 or another norm"
            )
    ranks, parts_of_batch = world_size(), world_size() * accumulation
    if named and getattr(named[1].discriminator, "batch_statistics", False) and batch_size % ranks:
        raise ConfigError(
            f"the discriminator has batch normalisation, which {ranks} ranks share exactly only "
            f"when they divide trainer.batch_size={batch_size}: change it, or its norm"
        )
    group = int(getattr(named[1].discriminator, "group", 0)) if named else 0
    if parts_of_batch > 1 and group and batch_size % (parts_of_batch * group):
        raise ConfigError(
            f"the discriminator compares groups of {group} images, which trainer.batch_size="
            f"{batch_size} over {parts_of_batch} parts (devices x accumulation) would cut: make it "
            f"a multiple of {parts_of_batch * group}, or set the discriminator's group to 0"
        )


def check_downsampling(tokenizer: Tokenizer, data: Data) -> None:
    """Raise ConfigError when images of this size do not come back at this size."""
    size = data.image_size
    image = torch.zeros(1, data.channels, size, size)
    remedy = "data.image_size must be a multiple of the model's downsampling"
    tokenizer.eval()  # running statistics are not to see it
    try:
        with torch.no_grad():
            back = tokenizer.images_of(tokenizer.decoder(tokenizer.encoder(image)))
    except RuntimeError as error:
        raise ConfigError(f"the model cannot take {size}x{size} images: {remedy}") from error
    finally:
        tokenizer.train()
    if back.shape != image.shape:
        height, width = back.shape[-2:]
        raise ConfigError(f"the model turns {size}x{size} into {height}x{width}: {remedy}")
