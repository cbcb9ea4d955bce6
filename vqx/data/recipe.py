"""The one way from an image file to the pixels that training and evaluation cut windows from.

Axes: H W pixels, C channels, S side of a window.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from vqx.data.decoding import open_upright
from vqx.errors import ConfigError

FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos", "adm")
LONGEST_SIDE = 65_500  # what a JPEG can hold; .beton has 16 bits for a side


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
        """The image as uint8 (H, W, C), upright, its short side `load_size` long.

        Read-only. Raises what `open_upright` does, and ValueError for an image so elongated that
        its long side would be longer than LONGEST_SIDE.
        """
        return _as_array(self._resized(file))

    def window(
        self, file: Path | BinaryIO, size: int, position: tuple[float, float] | None
    ) -> np.ndarray:
        """Window (S, S, C) of `pixels(file)` at `position` (down, right) in [0, 1); None: centre.

        Equal to cutting `pixels(file)`, and faster: only the window is copied.
        """
        image = self._resized(file)
        top, left = window_corner(image.height, image.width, size, position)
        return _as_array(image.crop((left, top, left + size, top + size)))

    def _resized(self, file: Path | BinaryIO) -> Image.Image:
        image = open_upright(file, channels=self.channels)
        longest = max(image.size) * self.load_size // min(image.size)
        if longest > LONGEST_SIDE:
            raise ValueError(
                f"it has {image.width} x {image.height} pixels: with a short side of "
                f"{self.load_size} the other would be {longest}, over {LONGEST_SIDE}: crop it"
            )
        if self.filter == "adm":
            return resize_as_adm(image, self.load_size)
        return resize_short_side(image, self.load_size, self.filter)

    @property
    def description(self) -> str:
        """For the protocol stamp."""
        if self.filter == "adm":
            how = "ADM's box halvings and bicubic, antialiased, long side rounded half to even"
        elif self.filter == "nearest":
            how = "nearest, no antialias, long side rounded half up"
        else:
            how = f"{self.filter}, antialiased, long side rounded half up"
        return f"short side {self.load_size} px by {how}"

    def fingerprint(self, source: str, image_size: int) -> str:
        """Of the windows that evaluation sees of the images whose files have fingerprint `source`.

        The same whoever reads them.
        """
        return f"files {source}, {self.to_dict()}, {image_size}"

    def to_dict(self) -> dict[str, Any]:
        """As a manifest holds it."""
        return asdict(self)


def resize_short_side(image: Image.Image, size: int, filter_name: str) -> Image.Image:
    """`image` with its short side `size` pixels, aspect kept to the nearest pixel."""
    width, height = image.size
    short = min(width, height)
    if short == size:
        return image
    # Integer rounding half up: the same on every machine.
    shape = tuple(max(size, (side * size * 2 + short) // (2 * short)) for side in (width, height))
    return image.resize(shape, Image.Resampling[filter_name.upper()])


def resize_as_adm(image: Image.Image, size: int) -> Image.Image:
    """`image` with its short side `size` pixels as Dhariwal and Nichol (2021) resize ImageNet.

    While the short side is at least 2 `size`, both are halved (floored) by box; then bicubic, the
    long side rounded half to even.
    """
    while min(image.size) >= 2 * size:
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
    scale = size / min(image.size)
    shape = (round(image.width * scale), round(image.height * scale))
    return image if shape == image.size else image.resize(shape, Image.Resampling.BICUBIC)


def window_corner(
    height: int, width: int, size: int, position: tuple[float, float] | None
) -> tuple[int, int]:
    """First row and column of a window, by the rule of `windows.window_start`."""
    rooms = (height - size, width - size)
    if position is None:
        return rooms[0] // 2, rooms[1] // 2
    down, right = (
        min(int(place * (room + 1)), room) for place, room in zip(position, rooms, strict=True)
    )
    return down, right


def _as_array(image: Image.Image) -> np.ndarray:
    array = np.asarray(image)
    return array[:, :, None] if array.ndim == 2 else array
