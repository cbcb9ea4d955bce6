"""Text and tiles on pictures: one font that knows accents, and images brought to a size."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

INK, GREY = "#222222", "#777777"


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which Matplotlib brings along, `size` pixels high."""
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), size)


def write(
    pen: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    *,
    width: int,
    size: int,
    fill: str = INK,
) -> None:
    """Write `text` at `place` (left, top), its middle left out where it is wider than `width`."""
    pen.text(place, shortened(text, width=width, size=size), font=font(size), fill=fill)


def shortened(text: str, *, width: int, size: int) -> str:
    """`text`, or its start and end around an ellipsis, at most `width` pixels wide."""
    kept = len(text)
    shown = text
    while font(size).getlength(shown) > width and kept > 2:
        kept -= 1
        shown = f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
    return shown


def as_picture(image: Tensor) -> Image.Image:
    """RGB picture of uint8 `image` (1, C, H, W) or (C, H, W) with one or three channels."""
    pixels = image.reshape(image.shape[-3:]).permute(1, 2, 0).numpy()
    rgb = np.broadcast_to(pixels, (*pixels.shape[:2], 3)) if pixels.shape[2] == 1 else pixels
    return Image.fromarray(np.ascontiguousarray(rgb))


def fitted(picture: Image.Image, side: int) -> Image.Image:
    """`picture` in a square of `side`: shrunk smoothly, or enlarged by a whole factor."""
    longest = max(picture.size)
    if longest > side:
        width, height = (max(1, round(length * side / longest)) for length in picture.size)
        return picture.resize((width, height), Image.Resampling.LANCZOS)
    return enlarged(picture, side // longest)


def enlarged(picture: Image.Image, factor: int) -> Image.Image:
    """`picture` with each pixel a square of `factor` pixels."""
    if factor == 1:
        return picture
    width, height = picture.size
    return picture.resize((width * factor, height * factor), Image.Resampling.NEAREST)


def labelled(
    tiles: Sequence[tuple[str, Image.Image]], *, caption: str, columns: int
) -> Image.Image:
    """Pictures of one size, each below its label, `columns` beside each other, under a caption."""
    width, height = tiles[0][1].size
    size = min(96, max(13, max(width, height) // 45))
    gap, line = size // 2, round(1.6 * size)
    cell = (max(width, 14 * size) + gap, line + height + gap)
    rows = -(-len(tiles) // columns)
    canvas = Image.new("RGB", (columns * cell[0] + gap, line + rows * cell[1] + gap), "white")
    pen = ImageDraw.Draw(canvas)
    room = canvas.width - 2 * gap
    write(pen, (gap, gap), caption, width=room, size=size, fill=GREY)
    for index, (label, picture) in enumerate(tiles):
        left = gap + index % columns * cell[0]
        top = line + gap + index // columns * cell[1]
        write(pen, (left, top), label, width=cell[0] - gap, size=size)
        canvas.paste(picture, (left, top + line))
    return canvas
