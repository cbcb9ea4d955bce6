"""The photographs that scikit-image and scikit-learn install: a set that needs no download.

Axes: N tiles, C channels, T side of a tile, S side of the window.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vqx.data.image_set import Data
from vqx.data.in_memory import TensorImages
from vqx.errors import ConfigError, DataError

# Photo -> installed package, its name for pip, file inside it. Reading the files directly saves
# the seconds that importing the packages takes.
_FILES = {
    "astronaut": ("skimage", "scikit-image", "data/astronaut.png"),
    "chelsea": ("skimage", "scikit-image", "data/chelsea.png"),
    "china": ("sklearn", "scikit-learn", "datasets/images/china.jpg"),
    "coffee": ("skimage", "scikit-image", "data/coffee.png"),
    "flower": ("sklearn", "scikit-learn", "datasets/images/flower.jpg"),
    "hubble_deep_field": ("skimage", "scikit-image", "data/hubble_deep_field.jpg"),
    "immunohistochemistry": ("skimage", "scikit-image", "data/ihc.png"),
    "motorcycle": ("skimage", "scikit-image", "data/motorcycle_left.png"),
    "retina": ("skimage", "scikit-image", "data/retina.jpg"),
    "rocket": ("skimage", "scikit-image", "data/rocket.jpg"),
}


def photos(
    *,
    name: str = "photos",
    image_size: int = 64,
    channels: int | None = None,
    validation: Sequence[str] = ("chelsea", "china", "coffee"),
    maximum_side: int = 1024,
    minimum_std: float = 8.0,
    flip: bool = True,
    random_crop: bool = True,
    shuffle: bool = True,
) -> Data:
    """Ten colour photographs, split by photo: `validation` names those that are evaluated on.

    Each is shrunk to a long side of `maximum_side`. Evaluation sees the grid of image_size windows,
    training cuts from overlapping tiles 1.5 times as large that hold every window of a photo.
    Those of a standard deviation (over pixels) under `minimum_std` are dropped. `channels`: 3.
    """
    _check_channels(channels, name)
    training, evaluation = _load_split(validation, image_size, maximum_side)
    tiles = _textured(_training_tiles(training, image_size), minimum_std)
    scale = f"long side <= {maximum_side} px by Lanczos, {image_size}x{image_size}"
    kept, held_out = f"std >= {minimum_std:g}", ", ".join(sorted(validation))
    train = TensorImages(
        tiles,
        name=name,
        split="train",
        image_size=image_size,
        description=f"{name} train, {scale} of {tiles.shape[-1]} px tiles, {kept}",
    )
    grid = TensorImages(
        _textured([_tiles(p, image_size, image_size) for p in evaluation], minimum_std),
        name=name,
        split="validation",
        image_size=image_size,
        description=f"{name} validation ({held_out}), {scale} grid crops, {kept}",
    )
    return Data(
        train, grid, name, 3, image_size, flip=flip, random_crop=random_crop, shuffle=shuffle
    )


def _check_channels(channels: int | None, name: str) -> None:
    """Raise ConfigError for anything but 3 and None."""
    if channels not in (None, 3):
        raise ConfigError(
            f"channels={channels} must be 3 or null for '{name}': photos have colours"
        )


def _load_split(
    validation: Sequence[str], image_size: int, maximum_side: int
) -> tuple[list[Tensor], list[Tensor]]:
    """Pictures (3, H, W) of the training photos and of the `validation` photos, sorted by name."""
    unknown = sorted(set(validation) - set(_FILES))
    if unknown or not validation or len(set(validation)) == len(_FILES):
        raise ConfigError(
            f"validation={list(validation)} must name some, not all, of the photos "
            f"{', '.join(_FILES)}" + (f"; unknown: {', '.join(unknown)}" if unknown else "")
        )
    training: list[Tensor] = []
    evaluation: list[Tensor] = []
    for photo in sorted(_FILES):
        picture = load_photo(photo, maximum_side=maximum_side)
        height, width = picture.shape[1:]
        if min(height, width) < image_size:
            raise ConfigError(
                f"image_size={image_size} is larger than photo '{photo}' ({width}x{height} "
                "pixels): choose a smaller one"
            )
        (evaluation if photo in validation else training).append(picture)
    return training, evaluation


def load_photo(photo: str, *, maximum_side: int = 1024) -> Tensor:
    """Photo as uint8 (3, H, W), shrunk by Lanczos to a long side of at most `maximum_side`."""
    module, package, file = _FILES[photo]
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise DataError(f"photo '{photo}' comes with {package}: pip install {package}")
    path = Path(spec.origin).parent / file
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except OSError as error:
        raise DataError(
            f"photo '{photo}' cannot be read from {path} ({error}): reinstall {package}"
        ) from error
    image.thumbnail((maximum_side, maximum_side), Image.Resampling.LANCZOS, reducing_gap=None)
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).contiguous()


def _tiles(picture: Tensor, size: int, stride: int) -> Tensor:
    """Tiles (n, C, size, size) of `picture` (C, H, W) every `stride` pixels from the top left."""
    grid = picture.unfold(1, size, stride).unfold(2, size, stride)  # (C, rows, columns, size, size)
    return grid.flatten(1, 2).transpose(0, 1)


def _training_tiles(pictures: list[Tensor], window: int) -> list[Tensor]:
    """Tiles of each picture, 1.5 times as large as `window` where the smallest picture allows."""
    side = min(window * 3 // 2, *(min(picture.shape[1:]) for picture in pictures))
    return [_overlapping_tiles(picture, side, window) for picture in pictures]


def _overlapping_tiles(picture: Tensor, size: int, window: int) -> Tensor:
    """Tiles that hold every `window` of `picture`, those at its right and bottom edge included."""
    stride = size - window + 1
    height, width = picture.shape[1:]
    right, bottom = picture[:, :, width - size :], picture[:, height - size :]
    parts = [_tiles(picture, size, stride)]
    if (width - size) % stride:
        parts.append(_tiles(right, size, stride))
    if (height - size) % stride:
        parts.append(_tiles(bottom, size, stride))
    if (width - size) % stride and (height - size) % stride:
        parts.append(_tiles(right[:, height - size :], size, stride))
    return torch.cat(parts)


def _textured(tiles: Sequence[Tensor], minimum_std: float) -> Tensor:
    """The tiles, of all photos, whose standard deviation reaches `minimum_std`."""
    kept = []
    for of_photo in tiles:
        # A few at a time: as floats all tiles of a photo would take hundreds of megabytes.
        kept += [part[_deviation(part) >= minimum_std] for part in of_photo.split(32)]
    return torch.cat(kept)


def _deviation(tiles: Tensor) -> Tensor:
    """Standard deviation (n,) over the pixels of `tiles` (n, C, H, W), mean of the channels."""
    return tiles.flatten(2).float().std(dim=2, correction=0).mean(dim=1)
