"""Finding the image files of a folder and their splits."""

import hashlib
import os
import unicodedata
from pathlib import Path

from vqx.data.sources import FileSource
from vqx.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")
LAYOUT = (
    "expected train/ and validation/ (or val/, valid/) or test/ with "
    f"{', '.join(SUFFIXES)} files inside, or one plain folder of such files"
)


def image_names(root: Path) -> list[str]:
    """Names, relative to `root` with forward slashes, of all image files below it, sorted.

    Suffixes count in any case; links to folders are followed; hidden files and folders are not.
    Raises DataError for a folder that cannot be listed.
    """
    names: list[str] = []
    seen: set[str] = set()
    start = len(os.path.join(root, ""))
    for folder, subfolders, files in os.walk(root, onerror=_refuse, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link back up, or two links to one folder
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(sub for sub in subfolders if not sub.startswith("."))
        inside = folder[start:].replace(os.sep, "/") + "/" if folder[start:] else ""
        names += [
            inside + file
            for file in files
            if file.lower().endswith(SUFFIXES) and not file.startswith(".")
        ]
    return sorted(names)


def _refuse(error: OSError) -> None:
    raise DataError(
        f"folder {printable(str(error.filename))} cannot be listed ({error.strerror}): make it "
        "readable"
    ) from error


def folder_source(folder: Path, split: str, *, expected: str = LAYOUT) -> FileSource:
    """All images below `folder`. Raises DataError, naming the `expected` layout, if none is."""
    names = image_names(folder)
    if not names:
        raise DataError(f"image folder {folder} holds no images: {expected}")
    return FileSource(folder, names, split)


def printable(name: str) -> str:
    """`name` as text that can be printed and written as UTF-8, whatever bytes the disk holds."""
    return os.fsencode(name).decode("utf-8", "replace")


def hashed_fraction(name: str) -> float:
    """A number in [0, 1) that depends on `name` alone: its SHA-256, composed Unicode form."""
    composed = unicodedata.normalize("NFC", name).encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.sha256(composed).digest()[:6], "big") / 2**48
