"""The memmap format: SPLIT.pixels, all images one after another, and SPLIT.index.npy.

Axes: N images, C channels, H W pixels. Each image is uint8 (C, H, W), with nothing between images.
"""

import numpy as np

# Of each image of the source, unreadable ones included (height = width = 0): where its first byte
# lies in SPLIT.pixels, and its size in pixels.
INDEX = np.dtype([("offset", "<u8"), ("height", "<u4"), ("width", "<u4")])


def pixels_name(split: str) -> str:
    """File of the pixels of `split`."""
    return f"{split}.pixels"


def index_name(split: str) -> str:
    """File of the INDEX (N,) of `split`, as numpy saves it."""
    return f"{split}.index.npy"
