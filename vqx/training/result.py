"""The content of result.json: final metrics with their stamps, and what they cost."""

import math
from typing import Any

import torch

import vqx
from vqx.config import signature, slug
from vqx.training.evaluation import Evaluation
from vqx.training.experiment import Experiment
from vqx.training.state import TrainState
from vqx.training.world import World


def result_of(
    experiment: Experiment, evaluation: Evaluation, *, signature_: str, slug_: str
) -> dict[str, Any]:
    """Everything about the metrics of an evaluated tokenizer, cost aside."""
    quantizer = experiment.tokenizer.quantizer
    tokens = int(evaluation.counts.sum())
    tokens_per_image = tokens // max(1, evaluation.images)
    data = experiment.data
    return {
        "version": vqx.__version__,
        "signature": signature_,
        "slug": slug_,
        "metrics": {key: m.to_dict() for key, m in evaluation.measurements.items()},
        "missing": experiment.missing,
        "model": {
            "parameters": sum(p.numel() for p in experiment.tokenizer.parameters()),
            "codebook_size": quantizer.codebook_size,
            "latent_channels": quantizer.latent_channels,
            "discrete": quantizer.discrete,
            "tokens_per_image": tokens_per_image,
            "bits_per_image": tokens_per_image * math.log2(quantizer.codebook_size),
        },
        "data": {
            "name": data.name,
            "split": data.evaluation.split,
            "description": data.evaluation.description,
            "images": evaluation.images,
            "tokens": tokens,
            "left_out": list(evaluation.left_out),
        },
    }


def final_result(
    experiment: Experiment, state: TrainState, evaluation: Evaluation, world: World
) -> dict[str, Any]:
    """The whole of result.json at the end of training."""
    result = result_of(
        experiment,
        evaluation,
        signature_=signature(experiment.config),
        slug_=slug(experiment.config),
    )
    result["cost"] = cost_of(
        state,
        batch_size=experiment.settings.batch_size,
        evaluate_seconds=evaluation.seconds,
        device=device_name(world.device),
        devices=world.size,
        peak_memory_bytes=peak_memory(world.device),
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
) -> dict[str, Any]:
    """What the training so far has taken; its clocks are in the checkpoint."""
    return {
        "device": device,
        "devices": devices,
        "steps": state.step,
        "images_seen": state.step * batch_size,
        "train_seconds": state.chronometer.train_seconds,
        "images_per_second": state.chronometer.images_per_second,
        "evaluate_seconds": evaluate_seconds,
        "peak_memory_bytes": peak_memory_bytes,
    }


def device_name(device: torch.device) -> str:
    """ "cpu", or the GPU's name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def peak_memory(device: torch.device) -> int | None:
    """Peak bytes allocated on a GPU, or of the whole process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
