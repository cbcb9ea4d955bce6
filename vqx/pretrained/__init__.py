"""Pretrained networks for metrics and losses: where their weights are, and how they get there."""

from vqx.pretrained.convolutional import (
    ConvolutionalFeatures,
    PerceptualDistance,
    convolutional_features,
    perceptual_distance,
)
from vqx.pretrained.inception import inception_features
from vqx.pretrained.lookup import cache_folder, find_weights, weights_digest
from vqx.pretrained.rgb import as_rgb

__all__ = [
    "ConvolutionalFeatures",
    "PerceptualDistance",
    "as_rgb",
    "cache_folder",
    "convolutional_features",
    "find_weights",
    "inception_features",
    "perceptual_distance",
    "weights_digest",
]
