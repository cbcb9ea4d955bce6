"""Decoding the JPEG images of .beton files with the TurboJPEG that FFCV's library brings.

The same decoder and flags as FFCV's own, so the same pixels; FFCV itself, whose import takes
seconds and sets torch to one thread, is not imported. H W pixels.
"""

import ctypes
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from vqx.errors import DataError

_FAST_DCT = 2048  # TJFLAG_FASTDCT
_RGB = 0  # TJPF_RGB
DECODER = "ffcv's turbojpeg, fast DCT"


def _library() -> Path:
    spec = find_spec("ffcv")
    folders = spec.submodule_search_locations if spec is not None else None
    found = [file for folder in folders or () for file in Path(folder).glob("_libffcv*.so")]
    if not found:
        raise DataError(
            "JPEG images in a .beton file are decoded by ffcv, which is not installed: run "
            "tools/install-ffcv.sh (elsewhere than on Debian or Ubuntu: OpenCV and libturbojpeg, "
            "then pip install 'vqx[ffcv]')"
        )
    return found[0]


def _functions(path: Path) -> ctypes.CDLL:
    """The library, the types of what is used of it declared."""
    try:
        library = ctypes.CDLL(str(path))  # its own dependency TurboJPEG is found through it
        library.tjInitDecompress.restype = ctypes.c_void_p
        library.tjInitDecompress.argtypes = []
        library.tjDestroy.argtypes = [ctypes.c_void_p]
        library.tjGetErrorStr2.restype = ctypes.c_char_p
        library.tjGetErrorStr2.argtypes = [ctypes.c_void_p]
        sides: list[Any] = [ctypes.POINTER(ctypes.c_int)] * 4
        source: list[Any] = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ulong]
        library.tjDecompressHeader3.argtypes = [*source, *sides]
        library.tjDecompress2.argtypes = [*source, ctypes.c_void_p, *[ctypes.c_int] * 5]
    except (OSError, AttributeError) as error:
        raise DataError(
            f"the library of ffcv cannot be used ({error}): run tools/install-ffcv.sh and "
            "pip install --force-reinstall 'vqx[ffcv]'"
        ) from error
    return library


class _Handle:
    """A decompressor, which only one thread at a time may use; given back with its thread."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.address = library.tjInitDecompress()
        if not self.address:
            raise MemoryError("no memory for a JPEG decoder")
        self._destroy = library.tjDestroy

    def __del__(self) -> None:
        self._destroy(self.address)


class JpegDecoder:
    """Decodes from any thread, outside of Python's lock. Raises DataError where ffcv is missing."""

    def __init__(self) -> None:
        self._library = _functions(_library())
        self._of_thread = threading.local()

    def decode(self, encoded: np.ndarray, *, height: int, width: int) -> np.ndarray:
        """Flat uint8 `encoded` as uint8 (H, W, 3). Raises ValueError if damaged or of another size.

        Pixels equal those of FFCV's `imdecode`.
        """
        handle, library = self._handle(), self._library
        source = (handle, encoded.ctypes.data, encoded.size)
        sides = [ctypes.c_int() for _ in range(4)]
        self._check(library.tjDecompressHeader3(*source, *map(ctypes.byref, sides)), handle)
        if (sides[1].value, sides[0].value) != (height, width):
            raise ValueError(f"{sides[1].value}x{sides[0].value} pixels, not {height}x{width}")
        pixels = np.empty((height, width, 3), np.uint8)
        answer = library.tjDecompress2(
            *source, pixels.ctypes.data, width, 0, height, _RGB, _FAST_DCT
        )
        self._check(answer, handle)
        return pixels

    def _handle(self) -> int:
        if (handle := getattr(self._of_thread, "handle", None)) is None:
            handle = self._of_thread.handle = _Handle(self._library)
        return int(handle.address)

    def _check(self, answer: int, handle: int) -> None:
        # Of a file cut off the decoder gives what there is, with a warning: no image.
        if answer != 0:
            raise ValueError(self._library.tjGetErrorStr2(handle).decode("ascii", "replace"))
