"""A prepared folder, or one of .beton files made elsewhere, as two image sets."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vqx.data.image_set import ImageSet
from vqx.data.memory_available import gib, memory_available
from vqx.data.prepared.beton_file import BetonFile, open_beton
from vqx.data.prepared.beton_images import BetonImages
from vqx.data.prepared.jpeg import DECODER
from vqx.data.prepared.manifest import Manifest, PreparedSplit, read_manifest
from vqx.data.prepared.memmap import pixels_name
from vqx.data.prepared.pixel_store import PixelStore, open_store, store_of
from vqx.data.prepared.stored_images import MappedImages, StoredImages
from vqx.data.prepared.stored_sets import StoredSplit
from vqx.data.recipe import Recipe
from vqx.errors import ConfigError, DataError

IN_MEMORY_SHARE = 0.5  # of the memory available, that auto takes for images
_NAMES = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
_NAMES["valid"] = "validation"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a configuration says of a prepared folder; None: whatever it was prepared with."""

    name: str
    image_size: int
    load_size: int | None
    filter: str | None
    channels: int | None
    evaluation_split: str | None
    broken: Literal["stop", "skip"]
    loader: str
    workers: int


@dataclass(frozen=True, slots=True)
class Opened:
    """The two sets, and the loader that reads them, with the reason where it was chosen."""

    train: ImageSet
    evaluation: ImageSet
    loader: str


def is_prepared(root: Path) -> bool:
    """Whether `root` is a prepared folder, or holds .beton files of splits."""
    return read_manifest(root) is not None or bool(_betons(root))


def open_prepared(root: Path, asked: Asked, *, validation_fraction: float | None = None) -> Opened:
    """The training and the evaluation set of `root`, in which something is prepared.

    Raises ConfigError for keys that ask for something else than what it was prepared with.
    """
    manifest = read_manifest(root)
    if manifest is None:
        return _open_foreign(root, asked)
    try:
        recipe = Recipe(**manifest.recipe)
    except TypeError as error:
        raise DataError(f"the recipe of {root} is damaged: prepare the data again") from error
    _check_recipe(root, recipe, asked)
    _check_fraction(root, manifest.validation_fraction, validation_fraction)
    splits = _choose(manifest.splits, asked.evaluation_split, root)
    about = [
        _about(root, manifest, recipe, split, asked, training=split == splits[0])
        for split in splits
    ]
    if manifest.storage.format == "memmap":
        return _open_memmap(root, about, asked)
    has_jpg = any(manifest.splits[split].jpg for split in splits)
    return _open_betons([open_beton(one.file) for one in about], about, asked, has_jpg=has_jpg)


def _check_recipe(root: Path, recipe: Recipe, asked: Asked) -> None:
    if asked.load_size not in (None, recipe.load_size):
        raise ConfigError(
            f"load_size={asked.load_size}: {root} was prepared with {recipe.load_size}: set "
            f"data.load_size=null, or prepare with max_resolution={asked.load_size}"
        )
    if asked.image_size > recipe.load_size:
        raise ConfigError(
            f"image_size={asked.image_size} is more than the short side of {recipe.load_size} "
            f"pixels that {root} was prepared with: lower it, or prepare with "
            f"max_resolution={asked.image_size}"
        )
    for key in ("filter", "channels"):
        value, there = getattr(asked, key), getattr(recipe, key)
        if value not in (None, there):
            raise ConfigError(
                f"{key}={value}: {root} was prepared with {key}={there}: set data.{key}={there}, "
                "or prepare the data again"
            )


def _check_fraction(root: Path, there: float | None, asked: float | None) -> None:
    if there is not None and asked not in (None, there):
        raise ConfigError(
            f"validation_fraction={asked}: {root} was prepared with {there}: set "
            f"data.validation_fraction={there}, or prepare the data again"
        )


def _choose(splits: Mapping[str, Any], evaluation_split: str | None, root: Path) -> list[str]:
    """Names of the training and the evaluation split."""
    if evaluation_split not in (None, "validation", "test"):
        raise ConfigError(
            f"evaluation_split={evaluation_split} must be validation, test or null (what is there)"
        )
    there = [split for split in ("validation", "test") if split in splits]
    wanted = ["train", evaluation_split or next(iter(there), "validation")]
    for split in wanted:
        if split not in splits:
            raise DataError(f"prepared folder {root} has no {split} split: prepare one")
    return wanted


def _about(
    root: Path, manifest: Manifest, recipe: Recipe, split: str, asked: Asked, *, training: bool
) -> StoredSplit:
    """`split` as the manifest describes it."""
    content, size = manifest.splits[split], asked.image_size
    is_memmap = manifest.storage.format == "memmap"
    forgiving: Literal["replace", "leave_out"] = "replace" if training else "leave_out"
    return StoredSplit(
        name=asked.name,
        split=split,
        file=root / (pixels_name(split) if is_memmap else content.file),
        images=content.images,
        image_size=size,
        channels=recipe.channels,
        description=f"{asked.name} {split}, {recipe.description}, {size}x{size} centre crop"
        + _jpeg_note(manifest, content),
        fingerprint=_fingerprint(manifest, recipe, content, size),
        broken="stop" if asked.broken == "stop" else forgiving,
        unreadable={one.index: (one.name, one.reason) for one in content.unreadable},
        origin=_origin(content),
    )


def _fingerprint(manifest: Manifest, recipe: Recipe, split: PreparedSplit, image_size: int) -> str:
    """That of the files themselves, whose pixels raw images have."""
    source = split.source_fingerprint or f"prepared {split.source_sha256}"
    text = recipe.fingerprint(source, image_size)
    return f"{text}, {manifest.storage}" if split.jpg else text


def _origin(split: PreparedSplit) -> dict[str, str]:
    known = {"names": split.names_sha256, "files": split.source_sha256}
    return {key: value for key, value in known.items() if value}


def _jpeg_note(manifest: Manifest, split: PreparedSplit) -> str:
    if not split.jpg:
        return ""
    stored = split.images - len(split.unreadable)
    some = "" if split.jpg == stored else f" for {split.jpg} of {stored} images"
    return f", stored as JPEG of quality {manifest.storage.quality}{some} (decoder: {DECODER})"


def _open_memmap(root: Path, about: list[StoredSplit], asked: Asked) -> Opened:
    if asked.loader not in ("auto", "memory", "memmap"):
        raise ConfigError(
            f"loader={asked.loader}: {root} was prepared with format=memmap, which memory, memmap "
            "and auto read"
        )
    needed = sum(one.file.stat().st_size for one in about if one.file.exists())
    loader, why = _in_memory_or("memmap", needed, asked.loader)
    stores = [
        open_store(root, one.split, channels=one.channels, in_memory=loader == "memory")
        for one in about
    ]
    if loader == "memory":
        return _in_memory(stores, about, why)
    train, evaluation = (MappedImages(store, one) for store, one in zip(stores, about, strict=True))
    return Opened(train, evaluation, f"memmap{why}")


def _in_memory(stores: Iterable[PixelStore], about: list[StoredSplit], why: str) -> Opened:
    train, evaluation = (StoredImages(store, one) for store, one in zip(stores, about, strict=True))
    return Opened(train, evaluation, f"memory{why}")


def _open_betons(
    files: list[BetonFile], about: list[StoredSplit], asked: Asked, *, has_jpg: bool
) -> Opened:
    root = files[0].path.parent
    if asked.loader not in ("auto", "memory", "ffcv"):
        raise ConfigError(
            f"loader={asked.loader}: {root} holds .beton files, which ffcv, memory and auto read"
        )
    train, evaluation = (BetonImages(file, one) for file, one in zip(files, about, strict=True))
    if has_jpg and asked.loader == "memory":
        raise ConfigError(f"loader=memory: {root} holds JPEG images: set data.loader=ffcv")
    if has_jpg:
        why = " (auto: its images are JPEG)" if asked.loader == "auto" else ""
        return Opened(train, evaluation, f"ffcv{why}")
    needed = sum(
        file.pixel_bytes * one.channels // 3 for file, one in zip(files, about, strict=True)
    )
    loader, why = _in_memory_or("ffcv", needed, asked.loader)
    if loader == "ffcv":
        return Opened(train, evaluation, f"ffcv{why}")
    stores = (
        store_of(file, one.samples(), channels=one.channels, threads=asked.workers)
        for file, one in zip(files, about, strict=True)
    )
    return _in_memory(stores, about, why)


def _in_memory_or(other: str, needed: int, loader: str) -> tuple[str, str]:
    """memory or `other`, and why if `loader` is auto. Raises ConfigError where memory is short."""
    available = memory_available()
    if available is None:  # not known, so nobody is kept from what they ask for
        why = " (auto: the memory available is not known)"
        return (other, why) if loader == "auto" else (loader, "")
    if loader == "memory" and needed > available:
        raise ConfigError(
            f"loader=memory: the images take {gib(needed)} and {gib(available)} are available to "
            f"each process: set data.loader={other}"
        )
    if loader != "auto":
        return loader, ""
    room = int(available * IN_MEMORY_SHARE)
    if needed <= room:
        return "memory", f" (auto: {gib(needed)} of images fit into {gib(room)})"
    return other, f" (auto: {gib(needed)} of images are more than {gib(room)} for them in memory)"


def _betons(root: Path) -> dict[str, Path]:
    """The .beton files of splits in `root`."""
    return {
        _NAMES[path.stem.lower()]: path
        for path in sorted(root.glob("*.beton"))
        if path.stem.lower() in _NAMES
    }


def _open_foreign(root: Path, asked: Asked) -> Opened:
    """.beton files that have no manifest: how they were made is not known."""
    if asked.load_size is not None or asked.channels not in (None, 3):
        raise ConfigError(
            f"load_size={asked.load_size}, channels={asked.channels}: the .beton files in {root} "
            "were made elsewhere and are read as they are: set data.load_size=null and "
            "data.channels=null, or prepare the images with vqx.prepare"
        )
    paths = _betons(root)
    splits = _choose(paths, asked.evaluation_split, root)
    files = [open_beton(paths[split]) for split in splits]
    about = [
        _foreign(file, split, asked, training=split == "train")
        for file, split in zip(files, splits, strict=True)
    ]
    return _open_betons(files, about, asked, has_jpg=any(file.decoder for file in files))


def _foreign(file: BetonFile, split: str, asked: Asked, *, training: bool) -> StoredSplit:
    size, state = asked.image_size, file.path.stat()
    decoder = f" (JPEG decoder: {DECODER})" if file.decoder is not None else ""
    forgiving: Literal["replace", "leave_out"] = "replace" if training else "leave_out"
    return StoredSplit(
        name=asked.name,
        split=split,
        file=file.path,
        images=len(file),
        image_size=size,
        channels=3,
        description=f"{asked.name} {split}, prepared elsewhere{decoder}, {size}x{size} centre crop",
        fingerprint=f"{file.path.resolve()}, {state.st_size}, {state.st_mtime_ns}, {size}",
        broken="stop" if asked.broken == "stop" else forgiving,
    )
