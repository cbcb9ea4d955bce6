"""Image files to upright 8-bit grey or RGB pixels.

What a file means is fixed here, kind by kind: the EXIF (or XMP) orientation is applied; colour
profiles are ignored, as the field does; transparent parts show white; of several frames the first
counts; 16-bit grey is scaled to 8 bits and rounded, 16-bit colour keeps its high byte; CMYK of a
JPEG is read by Adobe's (inverted) convention. The file's content counts, not its suffix.
"""

import re
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

# Tried in this order. EPS and the like are left out: reading them runs other programs.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
_GREY = frozenset({"1", "L", "LA", "La", "I", "F"})
_WIDE = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})
_SEE_THROUGH = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PILLOW = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


def is_grey(path: Path | BinaryIO) -> bool:
    """Whether the header of the image at `path` (or in an open file) says it has no colours."""
    with _opened(path) as image:
        return image.mode in _GREY or image.mode in _WIDE


def open_upright(path: Path | BinaryIO, *, channels: int) -> Image.Image:
    """The image at `path` (or in an open file), turned as its EXIF tag says.

    Its mode is L (`channels` = 1) or RGB (3). Raises OSError, ValueError or what a decoder raises
    for damaged files, and for images of more than twice Pillow's MAX_IMAGE_PIXELS (179 million
    pixels), which would take gigabytes in each worker.
    """
    with _opened(path) as image:
        image.load()
        upright = _turn(image)
    # Every conversion and transposition copies, so none is asked for in vain.
    if upright.mode in _WIDE or upright.mode == "F":
        upright = _narrow(upright)
    elif upright.mode in _SEE_THROUGH or "transparency" in upright.info:
        upright = _on_white(upright)
    elif upright.mode not in ("1", "L", "RGB"):
        upright = upright.convert("RGB")
    wanted = "L" if channels == 1 else "RGB"
    return upright if upright.mode == wanted else upright.convert(wanted)


def _opened(path: Path | BinaryIO) -> Image.Image:
    # Pillow warns about odd metadata and large images on each reading; what matters is an error.
    if _PILLOW not in warnings.filters:
        warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        return Image.open(path, formats=FORMATS)
    except UnidentifiedImageError:
        raise UnidentifiedImageError(_what_else(path)) from None


def _what_else(path: Path | BinaryIO) -> str:
    """Why a file is not an image."""
    if isinstance(path, Path):
        with path.open("rb") as file:
            return _what_else(file)
    path.seek(0)
    head = path.read(12)
    if not head:
        return "cannot identify an image: the file is empty"
    return f"cannot identify an image of {', '.join(FORMATS)}: it begins with {head!r}"


def _turn(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged metadata of a sound image
        return image
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _narrow(image: Image.Image) -> Image.Image:
    """Grey of 16 bits as L: v / 257, rounded. Pillow's own conversion clips at 255."""
    values = np.asarray(image).astype(np.float64)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise ValueError("32-bit pixels have no agreed range: save it with 8 or 16 bits")
    grey = np.rint(values / 257)
    clear = image.info.get("transparency")
    if clear is not None:
        grey[values == clear] = 255
    return Image.fromarray(grey.astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    # RGBA and La have no direct way to every mode; RGBA has.
    shown = image.convert("LA") if image.mode == "La" else image
    shown = shown if shown.mode == "RGBA" else shown.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown)
