"""Losses as named, weighted terms; images are float [-1, 1] (B, C, H, W)."""

from vqx.losses.adversarial import Adversarial, adaptive_weight
from vqx.losses.categorical import CrossEntropy
from vqx.losses.perceptual import LpipsLoss
from vqx.losses.reconstruction import L1, L2, NormalizedL2
from vqx.losses.weighted import Weighted, WeightedSum

__all__ = [
    "L1",
    "L2",
    "Adversarial",
    "CrossEntropy",
    "LpipsLoss",
    "NormalizedL2",
    "Weighted",
    "WeightedSum",
    "adaptive_weight",
]
