"""Data sets: sources -> uint8 batches (B, C, H, W) -> the device.

Each configuration of conf/data names a function here that takes plain keywords and returns `Data`.
"""

from vqx.data.batches import (
    EvaluationBatches,
    evaluation_batches,
    parts_of,
    to_device,
    train_batches,
)
from vqx.data.image_set import Data, ImageSet, Views
from vqx.data.loaders import folder
from vqx.data.photographs import photos
from vqx.data.torchvision_sets import torchvision_images

__all__ = [
    "Data",
    "EvaluationBatches",
    "ImageSet",
    "Views",
    "evaluation_batches",
    "folder",
    "parts_of",
    "photos",
    "to_device",
    "torchvision_images",
    "train_batches",
]
