"""The FID Inception: torch-fidelity's network, with its weights read safely."""

import io
from pathlib import Path

import torch
from torch import nn

from vqx.errors import WeightsMissing
from vqx.pretrained.files import load_tensors
from vqx.pretrained.lookup import find_weights


def inception_features(
    *, weights: str | Path | None = None, cache_dir: str | Path | None = None
) -> tuple[nn.Module, Path]:
    """torch-fidelity's Inception and the file of its weights; frozen, eval.

    It takes uint8 RGB (B, 3, H, W) of any size and returns a tuple with one entry, the pooled
    features (B, 2048) float32. Raises WeightsMissing.
    """
    path = find_weights("inception", weights=weights, cache_dir=cache_dir)
    # torch-fidelity would unpickle the file without restriction; hand it a copy of the tensors.
    copy = io.BytesIO()
    torch.save(load_tensors(path), copy)
    copy.seek(0)
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    try:
        # It draws initial values first: those must not move the run's random numbers.
        with torch.random.fork_rng(devices=[]):
            network = FeatureExtractorInceptionV3(
                "inception-v3-compat", ["2048"], feature_extractor_weights_path=copy
            )
    except RuntimeError as error:
        raise WeightsMissing(
            f"{path} does not hold the FID Inception: delete it and fetch it again"
        ) from error
    return network.requires_grad_(False).eval(), path
