"""Input, reconstruction and difference of one image, and all images of a call on one sheet.

Axes: C channels, H W pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from vqx.seeing.lettering import GREY, as_picture, enlarged, fitted, labelled, write
from vqx.training.pictures import AMPLIFIED

_SMALL = 224  # images of which no side is longer are enlarged
_WIDE = 2.0  # wider ones than this are set below each other
_THUMBNAIL, _BETWEEN, _GAP = 240, 4, 14
_TEXT, _HEAD = 15, 44  # pixels of the letters, and of the two lines over an image
SHEET_IMAGES = 60


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """One image's place on the contact sheet."""

    name: str
    facts: str
    tiles: tuple[Image.Image, ...]  # input, reconstruction, code map

    @property
    def height(self) -> int:
        """Pixels that it takes, its two lines of text included."""
        return _HEAD + max(tile.height for tile in self.tiles)


def psnr(real: Tensor, fake: Tensor) -> float:
    """PSNR in dB of uint8 images of one shape; identical ones as if one value were off by 1."""
    squared = int((real.short() - fake.short()).int().square_().sum())
    return 10 * math.log10(255**2 * real.numel() / max(1, squared))


def panel(real: Tensor, fake: Tensor, *, name: str, decibels: float) -> Image.Image:
    """Input, reconstruction and amplified difference, uint8 (1, C, H, W), at their full size.

    Images of at most 224 pixels are enlarged by a whole factor; panoramas stand below each other.
    """
    difference = (real.short() - fake.short()).abs_().mul_(AMPLIFIED).clamp_(max=255)
    height, width = real.shape[-2:]
    factor = max(1, _SMALL // max(height, width))
    labels = (
        f"input {width}x{height}",
        f"reconstruction {decibels:.2f} dB",
        f"difference x{AMPLIFIED}",
    )
    images = (real, fake, difference.to(torch.uint8))
    tiles = [
        (label, enlarged(as_picture(image), factor))
        for label, image in zip(labels, images, strict=True)
    ]
    return labelled(tiles, caption=name, columns=1 if width >= _WIDE * height else 3)


def thumbnail(picture: Image.Image) -> Image.Image:
    """`picture` as it is shown on the contact sheet."""
    return fitted(picture, _THUMBNAIL)


def contact_sheet(thumbnails: Sequence[Thumbnail], *, title: str) -> Image.Image:
    """Input, reconstruction and code map of each image, with its facts, in even columns."""
    width = 3 * (_THUMBNAIL + _BETWEEN)
    mean = sum(shown.height for shown in thumbnails) / len(thumbnails)
    columns = max(1, min(len(thumbnails), round(math.sqrt(1.5 * len(thumbnails) * mean / width))))
    rows = [thumbnails[i : i + columns] for i in range(0, len(thumbnails), columns)]
    heights = [max(shown.height for shown in row) + _GAP for row in rows]
    size = (columns * (width + _GAP) + _GAP, 3 * _TEXT + sum(heights))
    canvas = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(canvas)
    write(pen, (_GAP, _TEXT), title, width=size[0] - 2 * _GAP, size=_TEXT)
    top = 3 * _TEXT
    for row, height in zip(rows, heights, strict=True):
        for column, shown in enumerate(row):
            _paste(canvas, shown, (_GAP + column * (width + _GAP), top), width=width)
        top += height
    return canvas


def _paste(canvas: Image.Image, shown: Thumbnail, place: tuple[int, int], *, width: int) -> None:
    pen = ImageDraw.Draw(canvas)
    left, top = place
    write(pen, (left, top), shown.name, width=width - _GAP, size=_TEXT)
    write(pen, (left, top + 20), shown.facts, width=width - _GAP, size=_TEXT - 2, fill=GREY)
    for index, tile in enumerate(shown.tiles):
        canvas.paste(tile, (left + index * (_THUMBNAIL + _BETWEEN), top + _HEAD))
