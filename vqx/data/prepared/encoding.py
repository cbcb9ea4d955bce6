"""One image of a source to the bytes that are stored, with what the manifest says of it.

Axes: H W pixels, C channels.
"""

import hashlib
import io
import re
from dataclasses import dataclass

import numpy as np
from PIL import Image

from vqx.data.prepared.beton import JPG, LARGEST_PAGE, LARGEST_SIDE, RAW
from vqx.data.prepared.manifest import Mode, Storage
from vqx.data.recipe import Recipe
from vqx.data.sources import ImageSource

UNREADABLE = 255  # beside the modes JPG and RAW
_NOTHING = bytes(32)


@dataclass(frozen=True, slots=True)
class Encoded:
    """One image as it is stored.

    `mode`: JPG, RAW, or UNREADABLE with the `reason`; `height` and `width` in pixels; `sha256` of
    the source file's bytes, zeros where there are none. `refused`: it was the system that did not
    give the file, so another time may be better.
    """

    mode: int
    height: int
    width: int
    content: bytes
    sha256: bytes
    reason: str = ""
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Encoder:
    """Reads, decodes, resizes and encodes the images of `source` by index."""

    source: ImageSource
    recipe: Recipe
    storage: Storage

    def __call__(self, index: int) -> Encoded:
        """Image `index`. Raises MemoryError, which says nothing about the image."""
        digest = _NOTHING
        try:
            try:
                with self.source.open(index) as file:
                    content = file.read()
            except FileNotFoundError:  # a link to nowhere stays one
                raise
            except OSError as error:
                refused = error.errno is not None
                return Encoded(UNREADABLE, 0, 0, b"", digest, reason_of(error), refused)
            digest = hashlib.sha256(content).digest()
            pixels = self.recipe.pixels(io.BytesIO(content))
            return self._stored(pixels, index, digest)
        except MemoryError:
            raise
        except Exception as error:  # a damaged file can raise anything inside a decoder
            return Encoded(UNREADABLE, 0, 0, b"", digest, reason_of(error))

    def _stored(self, pixels: np.ndarray, index: int, digest: bytes) -> Encoded:
        height, width = pixels.shape[:2]
        if self.storage.format == "memmap":
            return Encoded(RAW, height, width, pixels.transpose(2, 0, 1).tobytes(), digest)
        pixels = pixels.repeat(3 // pixels.shape[2], axis=2)
        if max(height, width) > LARGEST_SIDE or pixels.nbytes > LARGEST_PAGE:
            raise ValueError(
                f"{width} x {height} pixels after resizing are more than a .beton can hold: "
                "use format=memmap"
            )
        mode, content = self._encoded(pixels, index)
        return Encoded(mode, height, width, content, digest)

    def _encoded(self, pixels: np.ndarray, index: int) -> tuple[int, bytes]:
        mode: Mode = self.storage.mode_of(self.source.split)
        if mode == "raw" or (mode == "proportion" and drawn(index) >= self.storage.proportion):
            return RAW, pixels.tobytes()
        jpeg = jpeg_bytes(pixels, self.storage.quality)
        if mode == "smart" and pixels.nbytes <= self.storage.smart_threshold * len(jpeg):
            return RAW, pixels.tobytes()
        return JPG, jpeg


def jpeg_bytes(pixels: np.ndarray, quality: int) -> bytes:
    """uint8 (H, W, 3) as a JPEG with 4:2:0 chroma."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return file.getvalue()


def drawn(index: int) -> float:
    """A number in [0, 1) that depends on `index` alone."""
    return int.from_bytes(hashlib.sha256(b"jpg %d" % index).digest()[:6], "big") / 2**48


def reason_of(error: Exception) -> str:
    """One line for what went wrong, the same each time."""
    text = re.sub(r" ?<_io\.BytesIO object at 0x[0-9a-f]+>", "", str(error))
    return " ".join(text.split()) or type(error).__name__
