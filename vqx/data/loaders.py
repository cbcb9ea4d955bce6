"""Folders of images as a data set, through the loader that is asked for."""

from pathlib import Path
from typing import Literal

from vqx.data.image_folder import FileReader, FolderImages, guess_channels
from vqx.data.image_set import Data
from vqx.data.layouts import choose_splits, find_sources
from vqx.data.recipe import Recipe
from vqx.errors import ConfigError

LOADERS = ("auto", "memory", "memmap", "folder", "ffcv")


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
    load_size = image_size if load_size is None else load_size
    _check(image_size, load_size, channels, broken, loader)
    sources = find_sources(layout, root, validation_fraction=validation_fraction, classes=classes)
    splits = choose_splits(sources, evaluation_split, root, layout=layout)
    channels = guess_channels(splits[0]) if channels is None else channels
    recipe = Recipe(channels, load_size, filter or "bicubic")
    forgiving: tuple[Literal["replace", "leave_out", "stop"], ...]
    forgiving = ("replace", "leave_out") if broken == "skip" else ("stop", "stop")
    train, held_out = (
        FolderImages(
            FileReader(split, recipe, image_size, forgive), name=name, start_method=start_method
        )
        for split, forgive in zip(splits, forgiving, strict=True)
    )
    flags = {"flip": flip, "random_crop": random_crop, "shuffle": shuffle}
    return Data(
        train, held_out, name, channels, image_size, workers=workers, loader="folder", **flags
    )


def _check(image_size: int, load_size: int, channels: int | None, broken: str, loader: str) -> None:
    if load_size < image_size:
        raise ConfigError(f"load_size={load_size} must be at least image_size={image_size}")
    if channels not in (None, 1, 3):
        raise ConfigError(f"channels={channels} must be 1, 3 or null (look at the images)")
    if broken not in ("stop", "skip"):
        raise ConfigError(f"broken={broken} must be stop or skip")
    if loader not in LOADERS:
        raise ConfigError(f"loader={loader} must be one of {', '.join(LOADERS)}")
