"""Metrics of a tokenizer: each is updated with uint8 images, merged over ranks and stamped."""

from vqx.metrics.base import Measurement, Metric
from vqx.metrics.build import build_metrics
from vqx.metrics.codebook import CodebookUse
from vqx.metrics.frechet import Frechet, frechet_distance
from vqx.metrics.image import ImageErrors
from vqx.metrics.perceptual import Lpips
from vqx.metrics.pixels import to_uint8, to_unit_range
from vqx.metrics.ssim import structural_similarity

__all__ = [
    "CodebookUse",
    "Frechet",
    "ImageErrors",
    "Lpips",
    "Measurement",
    "Metric",
    "build_metrics",
    "frechet_distance",
    "structural_similarity",
    "to_uint8",
    "to_unit_range",
]
