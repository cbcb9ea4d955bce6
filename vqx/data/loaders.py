"""Folders of images, and prepared ones, as a data set through the loader that is asked for.

Axes: N images, C channels.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from PIL import Image

from vqx.data.cached_store import cached_store
from vqx.data.image_folder import FileReader, FolderImages, guess_channels
from vqx.data.image_set import Data
from vqx.data.layouts import choose_splits, find_sources
from vqx.data.memory_available import gib, memory_available
from vqx.data.prepared.opening import (
    IN_MEMORY_SHARE,
    Asked,
    Opened,
    is_prepared,
    open_prepared,
)
from vqx.data.reader import Broken
from vqx.data.recipe import Recipe
from vqx.data.sources import ImageSource
from vqx.errors import ConfigError, DataError, NoRoom

LOADERS = ("auto", "memory", "memmap", "folder", "ffcv")
LARGEST_CACHED = 2 << 30  # bytes of pixels that auto keeps in the cache unasked
_SAMPLE = 16

Sources = Mapping[str, ImageSource]


def folder(
    *,
    root: str | Path,
    name: str = "folder",
    layout: str | None = None,
    image_size: int = 64,
    load_size: int | None = None,
    filter: str | None = None,
    channels: int | None = None,
    evaluation_split: Literal["validation", "test"] | None = None,
    validation_fraction: float = 0.1,
    classes: str | Path | None = None,
    broken: Literal["stop", "skip"] = "stop",
    loader: Literal["auto", "memory", "memmap", "folder", "ffcv"] = "auto",
    cache_dir: str | Path = "~/.cache/vqx",
    workers: int = 2,
    start_method: str | None = None,
    flip: bool = True,
    random_crop: bool = True,
    shuffle: bool = True,
) -> Data:
    """A folder of images, in one of the layouts of `vqx.data.layouts`, or a prepared folder.

    The short side becomes `load_size` pixels (null: image_size) by `filter` (null: bicubic); of a
    prepared folder both are the manifest's. `channels` null: 1 if all of the first training images
    are grey, else 3. `broken`: "stop" raises DataError naming the file; "skip" evaluates without it
    and trains on the next one in its place. `loader`: how pixels are held and read; it changes
    none. memory and memmap keep a store below `cache_dir`.
    """
    root = Path(root).expanduser()
    _check(image_size, load_size, channels, broken, loader)
    asked = Asked(
        name, image_size, load_size, filter, channels, evaluation_split, broken, loader, workers
    )
    chosen = (layout, validation_fraction, classes)
    opened = _open(root, asked, chosen, Path(cache_dir), start_method)
    sets = (opened.train, opened.evaluation, name, opened.train.channels, image_size)
    return Data(*sets, flip, random_crop, shuffle, workers, opened.loader)


def _open(
    root: Path,
    asked: Asked,
    chosen: tuple[str | None, float, str | Path | None],
    cache_dir: Path,
    start_method: str | None,
) -> Opened:
    """What `root` holds; `chosen`: layout, validation_fraction and classes of images."""
    layout, fraction, classes = chosen
    if is_prepared(root):
        if classes is not None:
            raise ConfigError(
                f"classes={classes}: {root} is prepared, from the classes chosen then: set "
                "data.classes=null"
            )
        return open_prepared(root, asked, validation_fraction=fraction)
    found = find_sources(layout, root, validation_fraction=fraction, classes=classes)
    splits = choose_splits(found, asked.evaluation_split, root, layout=layout)
    return _open_images(splits, root, asked, cache_dir, start_method, layout)


def _check(
    image_size: int, load_size: int | None, channels: int | None, broken: str, loader: str
) -> None:
    if load_size is not None and load_size < image_size:
        raise ConfigError(f"load_size={load_size} must be at least image_size={image_size}")
    if channels not in (None, 1, 3):
        raise ConfigError(f"channels={channels} must be 1, 3 or null (look at the images)")
    if broken not in ("stop", "skip"):
        raise ConfigError(f"broken={broken} must be stop or skip")
    if loader not in LOADERS:
        raise ConfigError(f"loader={loader} must be one of {', '.join(LOADERS)}")


def _open_images(
    splits: tuple[ImageSource, ImageSource],
    root: Path,
    asked: Asked,
    cache_dir: Path,
    start_method: str | None,
    layout: str | None,
) -> Opened:
    """The two sets of the image files `splits`."""
    if asked.loader == "ffcv":
        preset = layout or "folder"  # those of layouts have their names
        raise DataError(
            f"loader=ffcv reads .beton files, {root} holds images: python -m vqx.prepare "
            f"data={preset} source={root} out=FOLDER max_resolution="
            f"{asked.load_size or asked.image_size}, then data.root=FOLDER"
        )
    channels = guess_channels(splits[0]) if asked.channels is None else asked.channels
    recipe = Recipe(channels, asked.load_size or asked.image_size, asked.filter or "bicubic")
    sources = {source.split: source for source in splits}
    loader, why = asked.loader, ""
    if loader == "auto":
        loader, why = _choose(sources, recipe)
    if loader == "folder":
        return _decoded_each_time(splits, recipe, asked, start_method, why)
    try:
        store = cached_store(sources, cache_dir, recipe=recipe, broken=asked.broken)
    except NoRoom as error:
        if asked.loader != "auto":
            raise
        return _decoded_each_time(splits, recipe, asked, start_method, f" (auto: {error})")
    # Its unreadable images are the same ones as those of the files, and so is the rest.
    opened = open_prepared(store, replace(asked, loader=loader, channels=channels, filter=None))
    return replace(opened, loader=f"{loader}{why}")


def _decoded_each_time(
    splits: tuple[ImageSource, ImageSource],
    recipe: Recipe,
    asked: Asked,
    start_method: str | None,
    why: str,
) -> Opened:
    forgiving: tuple[Broken, Broken] = ("stop", "stop")
    if asked.broken == "skip":
        forgiving = ("replace", "leave_out")
    train, evaluation = (
        FolderImages(
            FileReader(split, recipe, asked.image_size, forgive),
            name=asked.name,
            start_method=start_method,
        )
        for split, forgive in zip(splits, forgiving, strict=True)
    )
    return Opened(train, evaluation, f"folder{why}")


def _choose(sources: Sources, recipe: Recipe) -> tuple[str, str]:
    """memory or folder for images that are not prepared, and why."""
    needed = sum(estimated_pixels(source, recipe) for source in sources.values())
    available = memory_available()
    room = 0 if available is None else min(LARGEST_CACHED, int(available * IN_MEMORY_SHARE))
    if needed <= room:
        return "memory", f" (auto: about {gib(needed)} of images, kept in the cache)"
    return "folder", (
        f" (auto: about {gib(needed)} of images are more than {gib(room)} for them in memory; "
        "python -m vqx.prepare makes a folder that is read faster)"
    )


def estimated_pixels(source: ImageSource, recipe: Recipe) -> int:
    """Bytes of all pixels of `source` by `recipe`, from the headers of some images of it."""
    places = sorted({len(source) * i // _SAMPLE for i in range(_SAMPLE)})
    areas = [area for place in places if (area := _area(source, place, recipe.load_size))]
    usual = sum(areas) / len(areas) if areas else recipe.load_size**2
    return int(usual * recipe.channels * len(source))


def _area(source: ImageSource, index: int, load_size: int) -> float:
    """Pixels of one image when its short side is `load_size`; 0 if its header is unreadable."""
    try:
        with source.open(index) as file, Image.open(file) as image:
            return load_size**2 * max(image.size) / min(image.size)
    except Exception:  # reported, if it must be, when the image itself is read
        return 0.0
