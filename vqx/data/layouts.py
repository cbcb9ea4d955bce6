"""From the folder of a data set to its splits, for the layouts that data sets come in."""

from collections.abc import Mapping
from pathlib import Path

from vqx.data.listing import LAYOUT, hashed_fraction, image_names
from vqx.data.sources import FileSource, ImageSource
from vqx.errors import ConfigError, DataError

Sources = dict[str, ImageSource]

_VALIDATION = ("validation", "val", "valid")


def find_sources(
    layout: str | None,
    root: str | Path,
    *,
    validation_fraction: float = 0.1,
    classes: str | Path | None = None,
) -> Sources:
    """Every split found in the folder `root`: train, validation and test, in this order.

    `layout` null: train/, validation/ and test/ in `root`, or one plain folder of which
    `validation_fraction` of the names, chosen by their hash, is the validation split. `classes`:
    a text file with the classes to take (imagenet). Raises DataError naming the folder and the
    expected layout, ConfigError for an unknown one.
    """
    root = Path(root).expanduser()
    if layout is not None:
        raise ConfigError(f"layout={layout} must be null")
    if not root.is_dir():
        raise DataError(f"image folder {root} does not exist: {LAYOUT}")
    return _split_folders(root) or _split_plain(root, validation_fraction)


def choose_splits(
    sources: Mapping[str, ImageSource],
    evaluation_split: str | None,
    root: str | Path,
    *,
    layout: str | None = None,
) -> tuple[ImageSource, ImageSource]:
    """The training split and the one to evaluate on: `evaluation_split`, null: what is there."""
    if evaluation_split not in (None, "validation", "test"):
        raise ConfigError(
            f"evaluation_split={evaluation_split} must be validation, test or null (what is there)"
        )
    there = [split for split in ("validation", "test") if split in sources]
    split = evaluation_split or next(iter(there), "validation")
    for needed in ("train", split):
        if needed not in sources:
            raise DataError(f"image folder {root} has no {needed}/: {LAYOUT}")
    return sources["train"], sources[split]


def _split_folders(root: Path) -> Sources:
    folders = {child.name.lower(): child for child in sorted(root.iterdir()) if child.is_dir()}
    validation = [folders[name] for name in _VALIDATION if name in folders]
    if len(validation) > 1:
        raise DataError(
            f"{validation[0]} and {validation[1]} are both validation folders: keep one"
        )
    found = {"train": folders.get("train"), "validation": next(iter(validation), None)}
    found["test"] = folders.get("test")
    return {split: _filled(folder, split) for split, folder in found.items() if folder}


def _filled(folder: Path, split: str) -> FileSource:
    names = image_names(folder)
    if not names:
        raise DataError(f"image folder {folder} holds no images: {LAYOUT}")
    return FileSource(folder, names, split)


def _split_plain(root: Path, validation_fraction: float) -> Sources:
    names = list(_filled(root, "train").names)
    held_out = [name for name in names if hashed_fraction(name) < validation_fraction]
    if not held_out and validation_fraction > 0:  # a small folder: the one nearest to it
        held_out = [min(names, key=hashed_fraction)]
    training = sorted(set(names) - set(held_out))
    if not held_out or not training:
        raise DataError(
            f"data.validation_fraction={validation_fraction} of the {len(names)} images in {root} "
            f"leaves the {'train' if held_out else 'validation'} split empty: change it or add "
            "images"
        )
    return {
        "train": FileSource(root, training, "train"),
        "validation": FileSource(root, held_out, "validation"),
    }
