"""The one way from an image file to the pixels that training and evaluation cut windows from.

Axes: H W pixels, C channels.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vqx.data.decoding import open_upright, resize_short_side
from vqx.errors import ConfigError

FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos", "adm")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an image file becomes pixels; every loader applies the same, so all see equal pixels.

    `load_size`: short side in pixels after resizing; `filter`: one of FILTERS, Pillow's own with
    antialiasing, or adm (Dhariwal and Nichol 2021: halved by box while at least twice too large,
    then bicubic); `channels`: 1 or 3.
    """

    channels: int
    load_size: int
    filter: str = "bicubic"

    def __post_init__(self) -> None:
        if self.filter not in FILTERS:
            raise ConfigError(f"filter={self.filter} must be one of {', '.join(FILTERS)}")

    def pixels(self, file: Path | BinaryIO) -> np.ndarray:
        """The image as uint8 (H, W, C), upright, its short side `load_size` long."""
        image = open_upright(file, channels=self.channels)
        array = np.asarray(resize_short_side(image, self.load_size, self.filter))
        return array[:, :, None] if array.ndim == 2 else array

    @property
    def description(self) -> str:
        """For the protocol stamp."""
        return f"short side {self.load_size} px by {self.filter}"

    def to_dict(self) -> dict[str, Any]:
        """As a manifest holds it."""
        return asdict(self)
