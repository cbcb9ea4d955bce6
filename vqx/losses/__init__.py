"""Reconstruction losses as named, weighted terms; images are float [-1, 1] (B, C, H, W)."""

from vqx.losses.perceptual import LpipsLoss
from vqx.losses.reconstruction import L1, L2
from vqx.losses.weighted import Weighted, WeightedSum

__all__ = ["L1", "L2", "LpipsLoss", "Weighted", "WeightedSum"]
