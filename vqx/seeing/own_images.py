"""A user's own image files, found and read.

Axes: C channels, H W pixels.
"""

import glob
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vqx.data.decoding import open_upright
from vqx.errors import ConfigError, DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


@dataclass(frozen=True, slots=True)
class OwnImage:
    """An image file, how it is called in tables, and in files made of it: no two alike there."""

    path: Path
    label: str
    name: str


def find_images(places: str) -> list[OwnImage]:
    """The image files of `places`: files, folders (with all below them), patterns; by commas.

    Hidden files are left out. Raises DataError for a place that is not there or holds no images.
    """
    whole = Path(places).expanduser()
    texts = [places] if whole.exists() else [text for text in places.split(",") if text]
    paths: dict[Path, Path] = {}  # file -> its name's folder
    for text in texts:
        paths |= _below(Path(text).expanduser(), text)
    if not paths:
        raise DataError(f"images={places} names no file")
    return _named(paths)


def read_image(path: Path, *, channels: int) -> Tensor:
    """uint8 (1, C, H, W) of an image file of any mode, upright; transparent parts show white.

    Raises DataError, saying why, for a file that cannot be read.
    """
    if channels not in (1, 3):
        raise ConfigError(f"image files have 1 or 3 channels, this tokenizer takes {channels}")
    try:
        image = open_upright(path, channels=channels)
        pixels = np.array(image)
    except Exception as error:  # decoders of broken files raise whatever their code runs into
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: {reason}") from error
    rows = pixels[:, :, None] if pixels.ndim == 2 else pixels
    return torch.from_numpy(rows).permute(2, 0, 1)[None].contiguous()


def _below(place: Path, text: str) -> dict[Path, Path]:
    if place.is_file():
        return {place: place.parent}
    if place.is_dir():
        found = {path: place for path in sorted(place.rglob("*")) if _is_image(path, place)}
        if not found:
            raise DataError(f"{place} holds no images ({', '.join(SUFFIXES)})")
        return found
    matches = sorted(map(Path, glob.glob(str(place))))
    if not matches:
        raise DataError(f"images={text}: there is no such file or folder")
    found = {}
    for match in matches:
        found |= _below(match, text)
    return found


def _is_image(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return path.suffix.lower() in SUFFIXES and not hidden and path.is_file()


def _named(paths: dict[Path, Path]) -> list[OwnImage]:
    """Names without suffix, folders joined by "__"; with suffix, then a number, where two agree."""
    images: list[OwnImage] = []
    taken: set[str] = set()
    for path, root in paths.items():
        relative = path.relative_to(root)
        stem = "__".join(relative.with_suffix("").parts)
        numbers = (f"{stem}-{number}" for number in range(2, len(paths) + 2))
        candidates = (stem, f"{stem}{path.suffix.replace('.', '_')}", *numbers)
        # Case folded: some file systems take A.png for a.png.
        name = next(name for name in candidates if name.casefold() not in taken)
        taken.add(name.casefold())
        images.append(OwnImage(path, relative.as_posix(), name))
    return images
