"""Image files to arrays of one size and one number of channels.

Axes: H W pixels, C channels, S side of the window.
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

_GREY = frozenset({"1", "L", "LA", "La", "I", "F"})
_SIXTEEN_BITS = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})


def is_grey(path: Path | BinaryIO) -> bool:
    """Whether the header of the image at `path` (or in an open file) says it has no colours."""
    with Image.open(path) as image:
        return image.mode in _GREY or image.mode in _SIXTEEN_BITS


def open_upright(path: Path | BinaryIO, *, channels: int) -> Image.Image:
    """The image at `path` (or in an open file), turned as its EXIF tag says.

    Its mode is L (`channels` = 1) or RGB (3). Transparent parts show white; 16-bit grey is scaled
    to 8 bits.
    """
    with Image.open(path) as opened:
        opened.load()
        image = ImageOps.exif_transpose(opened)
    if image.mode in _SIXTEEN_BITS:
        # Pillow's own conversion clips at 255 instead of scaling.
        values = np.asarray(image).astype(np.float64).clip(0, 65535) / 257
        image = Image.fromarray(np.rint(values).astype(np.uint8))
    elif image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        # RGBa and La have no direct way to every mode; RGBA has.
        shown = image.convert("LA").convert("RGBA") if image.mode == "La" else image.convert("RGBA")
        white = Image.new("RGBA", shown.size, "white")
        image = Image.alpha_composite(white, shown)
    elif image.mode == "P":
        image = image.convert("RGB")
    return image.convert("L" if channels == 1 else "RGB")


def resize_short_side(image: Image.Image, size: int, filter_name: str) -> Image.Image:
    """`image` with its short side `size` pixels, aspect kept to the nearest pixel."""
    width, height = image.size
    short = min(width, height)
    if short == size:
        return image
    # Integer rounding half up: the same on every machine.
    shape = tuple(max(size, (side * size * 2 + short) // (2 * short)) for side in (width, height))
    return image.resize(shape, Image.Resampling[filter_name.upper()])


def cut(image: Image.Image, size: int, position: tuple[float, float] | None) -> np.ndarray:
    """Window (S, S, C) uint8 of `image` at `position` (down, right) in [0, 1); None: the centre."""
    rooms = (image.height - size, image.width - size)
    if position is None:
        top, left = (room // 2 for room in rooms)
    else:
        top, left = (
            min(int(place * (room + 1)), room) for place, room in zip(position, rooms, strict=True)
        )
    window = np.asarray(image.crop((left, top, left + size, top + size)))
    return window[:, :, None] if window.ndim == 2 else window
