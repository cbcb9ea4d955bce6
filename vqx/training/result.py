"""The content of result.json: final metrics with their stamps, and what they cost."""

import math
import resource
import sys
from collections.abc import Sequence
from typing import Any

import torch

import vqx
from vqx.config import signature, slug
from vqx.training.evaluation import Evaluation
from vqx.training.experiment import Experiment
from vqx.training.flops import flops_per_image
from vqx.training.state import TrainState
from vqx.training.world import World


def result_of(
    experiment: Experiment, evaluation: Evaluation, *, replaced: Sequence[str]
) -> dict[str, Any]:
    """Everything about the metrics of an evaluated tokenizer, cost aside.

    A token is a latent position; each of the Q codebooks gives a code to it.
    `replaced` names the training images that could not be read.
    """
    data = experiment.data
    return {
        "version": vqx.__version__,
        "signature": signature(experiment.config),
        "slug": slug(experiment.config),
        "metrics": {key: m.to_dict() for key, m in evaluation.measurements.items()},
        "missing": experiment.missing,
        "model": _model_of(experiment, evaluation),
        "data": {
            "name": data.name,
            "split": data.evaluation.split,
            "loader": data.loader,
            "description": data.evaluation.description,
            "images": evaluation.images,
            "tokens": evaluation.tokens,
            "left_out": list(evaluation.left_out),
            "replaced_in_training": list(replaced),
        },
    }


def _model_of(experiment: Experiment, evaluation: Evaluation) -> dict[str, Any]:
    """Sizes of the tokenizer, and what one image costs it in bits and operations."""
    tokenizer, data = experiment.tokenizer, experiment.data
    quantizer = tokenizer.quantizer
    tokens_per_image = evaluation.tokens // max(1, evaluation.images)
    bits_per_token = quantizer.codebooks * math.log2(quantizer.codebook_size)
    return {
        "parameters": sum(p.numel() for p in tokenizer.parameters()),
        "discriminator_parameters": discriminator_parameters(experiment),
        "codebook_size": quantizer.codebook_size,
        "codebooks": quantizer.codebooks,
        "latent_channels": quantizer.latent_channels,
        "discrete": quantizer.discrete,
        "flops_per_image": flops_per_image(
            tokenizer, channels=data.channels, image_size=data.image_size
        ),
        "tokens_per_image": tokens_per_image,
        "bits_per_token": bits_per_token,
        "bits_per_image": tokens_per_image * bits_per_token,
    }


def discriminator_parameters(experiment: Experiment) -> int:
    """Weights of the discriminator, 0 without one: trained beside the tokenizer, not part of it."""
    named = experiment.losses.adversarial
    return sum(p.numel() for p in named[1].discriminator.parameters()) if named else 0


def final_result(
    experiment: Experiment, state: TrainState, evaluation: Evaluation, world: World
) -> dict[str, Any]:
    """The whole of result.json at the end of training."""
    result = result_of(experiment, evaluation, replaced=state.replaced)
    result["cost"] = cost_of(
        state,
        batch_size=experiment.settings.batch_size,
        evaluate_seconds=evaluation.seconds,
        device=device_name(world.device),
        devices=world.size,
        nodes=world.nodes,
        peak_memory_bytes=peak_memory(world.device),
        peak_process_bytes=peak_process_memory(),
    )
    return result


def cost_of(
    state: TrainState,
    *,
    batch_size: int,
    evaluate_seconds: float,
    device: str | None,
    devices: int | None,
    peak_memory_bytes: int | None,
    peak_process_bytes: int | None = None,
    nodes: int | None = 1,
) -> dict[str, Any]:
    """What the training so far has taken; its clocks are in the checkpoint."""
    return {
        "device": device,
        "devices": devices,
        "nodes": nodes,
        "steps": state.step,
        "images_seen": state.step * batch_size,
        "train_seconds": state.chronometer.train_seconds,
        "device_hours": state.chronometer.device_seconds / 3600,
        "images_per_second": state.chronometer.images_per_second,
        "evaluate_seconds": evaluate_seconds,
        "peak_memory_bytes": peak_memory_bytes,
        "peak_process_bytes": peak_process_bytes,
    }


def device_name(device: torch.device) -> str:
    """ "cpu", or the GPU's name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def peak_memory(device: torch.device) -> int | None:
    """Peak bytes allocated on a GPU; None on a CPU, where only the whole process can be asked."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def peak_process_memory() -> int:
    """Peak resident bytes of this process, libraries included, since it was started."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
