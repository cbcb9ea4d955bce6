"""What the data benchmark reads: photographs of one size, as files and as prepared folders.

Everything is written once, seeded, below one folder, and so lies in the page cache.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from vqx.data.sources import ImageSource

# Of vqx.data.photographs those taken of everyday things: they compress as photographs do.
PHOTOS = ("astronaut", "chelsea", "china", "coffee", "flower", "motorcycle", "rocket")
ASPECTS = (4 / 3, 4 / 3, 4 / 3, 3 / 2, 1.0, 3 / 4, 2 / 3, 16 / 9)  # width / height
CLASSES = 4  # folders, as ImageFolder wants them
HELD_OUT = 4  # images of the validation split, which is not read
QUALITY = 95
SMALLEST = 0.6  # of the height of a photograph's largest window of an aspect


@dataclass(frozen=True, slots=True)
class Case:
    """Stored images of a short side of `load_size` px, of which windows of `image_size` are cut.

    `square`: all are load_size x load_size and PNG, else of ASPECTS and JPEG. `times`: how many
    times as many images as asked for, small ones being many.
    """

    name: str
    load_size: int
    image_size: int
    square: bool = False
    times: int = 1

    def __str__(self) -> str:
        if self.load_size == self.image_size and self.square:
            return f"{self.load_size} px"
        return f"{self.load_size} -> {self.image_size}"


CASES = {
    case.name: case
    for case in (
        Case("32", 32, 32, square=True, times=16),
        Case("256-128", 256, 128),
        Case("256-256", 256, 256),
    )
}


@dataclass(frozen=True, slots=True)
class Stock:
    """Images of one size: `files` holds train/CLASS/ and validation/CLASS/.

    `prepared`: prepared folders by format: memmap, raw, jpg; `stored`: mean bytes of a training
    image by format, "files" included; `seconds`: what preparing each took. `images`: of training.
    """

    files: Path
    images: int
    prepared: dict[str, Path]
    stored: dict[str, float]
    seconds: dict[str, float]


def write_stock(folder: Path, case: Case, *, images: int, workers: int) -> Stock:
    """Write the images of `case` and their prepared folders below `folder`."""
    from vqx.data.prepared.manifest import Storage

    files = folder / "files"
    count = images * case.times
    write_photographs(files, case, images=count)
    storages = {
        "memmap": Storage(format="memmap"),
        "raw": Storage(mode="raw"),
        "jpg": Storage(mode="jpg", quality=QUALITY),
    }
    sizes = [path.stat().st_size for path in (files / "train").rglob("*.*")]
    stored, seconds = {"files": sum(sizes) / count}, {}
    for name, storage in storages.items():
        start = time.perf_counter()
        stored[name] = prepare(files, folder / name, case, storage=storage, workers=workers) / count
        seconds[name] = time.perf_counter() - start
    return Stock(files, count, {name: folder / name for name in storages}, stored, seconds)


def prepare(files: Path, folder: Path, case: Case, *, storage: object, workers: int) -> int:
    """A prepared folder of both splits of `files`; returns the bytes of its training images."""
    from vqx.data.prepared.manifest import Storage
    from vqx.data.prepared.preparation import prepare_images
    from vqx.data.recipe import Recipe

    assert isinstance(storage, Storage)
    manifest = prepare_images(
        {split: _source(files, split) for split in ("train", "validation")},
        folder,
        recipe=Recipe(channels=3, load_size=case.load_size),
        storage=storage,
        workers=workers,
        show_progress=False,
    )
    return manifest.splits["train"].stored_bytes


def _source(files: Path, split: str) -> "ImageSource":
    from vqx.data.listing import image_names
    from vqx.data.sources import FileSource

    return FileSource(files / split, image_names(files / split), split)


def write_photographs(folder: Path, case: Case, *, images: int) -> None:
    """`images` files in train/ and HELD_OUT in validation/, the same each time."""
    from vqx.data.photographs import load_photo

    photos = [Image.fromarray(load_photo(name).permute(1, 2, 0).numpy()) for name in PHOTOS]
    for split, count, first in (("train", images, 0), ("validation", HELD_OUT, images)):
        for number in range(CLASSES):
            (folder / split / f"class_{number}").mkdir(parents=True)
        for index in range(count):
            image = _window(photos, case, index=first + index)
            place = folder / split / f"class_{index % CLASSES}" / f"{index:06}"
            _save(image, place, png=case.square)


def _window(photos: list[Image.Image], case: Case, *, index: int) -> Image.Image:
    """A seeded window of a photograph, resized."""
    random = np.random.default_rng([case.load_size, index])
    photo = photos[index % len(photos)]
    aspect = 1.0 if case.square else ASPECTS[random.integers(len(ASPECTS))]
    most = min(photo.height, photo.width / aspect)
    # Not enlarged where that can be: an enlarged photograph compresses too well.
    least = max(SMALLEST * most, min(most, case.load_size / min(1.0, aspect)))
    height = random.uniform(least, most)
    left = random.uniform(0, photo.width - height * aspect)
    top = random.uniform(0, photo.height - height)
    short = case.load_size
    shape = (round(short * max(1, aspect)), round(short * max(1, 1 / aspect)))
    box = (left, top, left + height * aspect, top + height)
    return photo.resize(shape, Image.Resampling.BICUBIC, box=box)


def _save(image: Image.Image, place: Path, *, png: bool) -> None:
    if png:
        image.save(place.with_suffix(".png"))
    else:
        image.save(place.with_suffix(".jpg"), quality=QUALITY, subsampling="4:2:0")
