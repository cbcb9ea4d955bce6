"""Bytes of every odd kind of image file, and what the recipe makes of them."""

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from tests.data.files import noise

Colour = tuple[int, ...]
SIDE = 8  # short side of all readable ones
BLUE = (0, 0, 250)
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n%%EOF\n"


def saved(image: Image.Image, format: str = "PNG", **options) -> bytes:
    """`image` as the bytes of a file."""
    file = io.BytesIO()
    image.save(file, format=format, **options)
    return file.getvalue()


def flat(mode: str, colour, **options) -> bytes:
    """An image of one colour."""
    return saved(Image.new(mode, (SIDE + 2, SIDE), colour), **options)


def deep(value: int, **options) -> bytes:
    """A 16-bit grey png of one value."""
    return saved(Image.fromarray(np.full((SIDE, SIDE), value, np.uint16)), **options)


def deep_colour_png(value: int) -> bytes:
    """A 16-bit RGB png of one value, which Pillow cannot write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", SIDE, SIDE, 16, 2, 0, 0, 0)
    rows = (b"\0" + struct.pack(">H", value) * SIDE * 3) * SIDE
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def png_of_size(width: int, height: int) -> bytes:
    """The header of a png of that size, without pixels."""
    content = bytearray(flat("L", 0))
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


def palette(**options) -> bytes:
    image = Image.new("P", (SIDE, SIDE), 1)
    image.putpalette([255, 0, 0, 0, 0, 250])
    return saved(image, **options)


def without_adobe_marker(jpeg: bytes) -> bytes:
    start = jpeg.index(b"\xff\xee")
    length = struct.unpack(">H", jpeg[start + 2 : start + 4])[0]
    return jpeg[:start] + jpeg[start + 2 + length :]


def turned(orientation: int, format: str = "JPEG", **options) -> bytes:
    """Stored so that, turned as its tag says, its quarters are 0, 80 in the first row, 160, 255."""
    upright = np.kron(np.array([[0, 80], [160, 255]], np.uint8), np.ones((8, 8), np.uint8))
    stored = {
        2: upright[:, ::-1],
        3: np.rot90(upright, 2),
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),  # shown turned clockwise: stored turned back
        7: np.rot90(upright, 2).T,
        8: np.rot90(upright, -1),
    }.get(orientation, upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored))
    return saved(image.convert("RGB"), format, exif=exif, **options)


def photo(format: str, **options) -> bytes:
    return saved(Image.fromarray(noise(40, 50)), format, **options)


def with_profile() -> bytes:
    """A png whose colour profile says that red is shown as something else."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    return flat("RGB", (200, 10, 10), icc_profile=profile)


def damaged_exif() -> bytes:
    """A png with an EXIF text that is none."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", "\nexif\n2\nno hexadecimal digits")
    return flat("RGB", (9, 8, 7), pnginfo=info)


@dataclass(frozen=True)
class Odd:
    """A kind of file: its bytes, and the `corners` of its pixels (first, last of the first row).

    Or the `reason` why it cannot be read.
    """

    kind: str
    content: bytes
    corners: tuple[Colour, Colour] | None = None
    reason: str = ""


def even(kind: str, content: bytes, *colour: int) -> Odd:
    """A kind whose image is of one colour, or grey."""
    shown = (colour * 3)[:3]
    return Odd(kind, content, (shown, shown))


def unreadable(kind: str, content: bytes, reason: str) -> Odd:
    """A kind that cannot be read."""
    return Odd(kind, content, reason=reason)


def odd_images() -> list[Odd]:
    """Every kind, with what it becomes at short side SIDE with 3 channels."""
    return _odd_shapes() + _odd_colours() + _odd_files()


def _odd_shapes() -> list[Odd]:
    upright = ((0, 0, 0), (80, 80, 80))
    return [
        *(Odd(f"EXIF orientation {n}", turned(n), upright) for n in range(10)),
        Odd("EXIF orientation 6 in png", turned(6, "PNG"), upright),
        Odd("EXIF orientation 6 in tiff", turned(6, "TIFF"), upright),
        Odd("EXIF orientation 6 in webp", turned(6, "WEBP", lossless=True), upright),
        even("damaged EXIF", damaged_exif(), 9, 8, 7),
        even("one pixel", saved(Image.new("RGB", (1, 1), (1, 2, 3))), 1, 2, 3),
        even("elongated, 1 x 1000", saved(Image.new("L", (1, 1000), 5)), 5),
        unreadable("too elongated", saved(Image.new("L", (1, 9000), 5)), "over 65500: crop it"),
        unreadable("huge, 10 gigapixels", png_of_size(100_000, 100_000), "exceeds limit of 1789"),
        unreadable("large, its pixels missing", png_of_size(10_000, 10_000), "truncated"),
    ]


def _odd_colours() -> list[Odd]:
    cyan = flat("CMYK", (255, 0, 0, 0), format="JPEG", quality=100)
    return [
        even("grey", flat("L", 77), 77),
        even("grey + alpha", flat("LA", (0, 51)), 204),
        even("black and white, 1 bit", flat("1", 1), 255),
        even("alpha", flat("RGBA", (0, 0, 0, 51)), 204),
        even("palette", palette(), 0, 0, 250),
        even("palette with transparency", palette(transparency=1), 255),
        even("CMYK jpeg, Adobe's (inverted)", cyan, 0, 255, 255),
        even("CMYK jpeg without a marker", without_adobe_marker(cyan), 0, 255, 255),
        even("CMYK tiff", flat("CMYK", (255, 0, 0, 0), format="TIFF"), 0, 255, 255),
        even("16-bit grey", deep(300), 1),
        even("16-bit grey, nearly 256", deep(255), 1),
        even("16-bit grey, one value transparent", deep(300, transparency=300), 255),
        even("16-bit colour", deep_colour_png(300), 1),
        even("16-bit colour, nearly 256", deep_colour_png(255), 0),
        even("32-bit integers up to 65535", flat("I", 300, format="TIFF"), 1),
        unreadable("32-bit integers beyond", flat("I", 70_000, format="TIFF"), "no agreed range"),
        unreadable("float tiff", flat("F", 0.5, format="TIFF"), "no agreed range"),
        even("colour profile", with_profile(), 200, 10, 10),
    ]


def _odd_files() -> list[Odd]:
    first = {"save_all": True, "append_images": [Image.new("RGB", (SIDE + 2, SIDE))]}
    return [
        even("progressive jpeg", flat("L", 90, format="JPEG", progressive=True), 90),
        even("animated gif", flat("RGB", BLUE, format="GIF", **first), *BLUE),
        even("animated webp", flat("RGB", BLUE, format="WEBP", lossless=True, **first), *BLUE),
        even("animated png", flat("RGB", BLUE, format="PNG", **first), *BLUE),
        even("several pages in tiff", flat("RGB", BLUE, format="TIFF", **first), *BLUE),
        *(
            unreadable(f"truncated {kind}", photo(kind)[: len(photo(kind)) // 2], "truncated")
            for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF")
        ),
        unreadable("truncated WEBP", photo("WEBP")[:999], "could not create decoder"),
        unreadable("jpeg without its last bytes", photo("JPEG")[:-2], "truncated"),
        unreadable("zero bytes", b"", "the file is empty"),
        unreadable("text", b"hello there, this is text", "begins with b'hello there,'"),
        unreadable("PostScript", EPS, "begins with b'%!PS-Adobe-3'"),
    ]
