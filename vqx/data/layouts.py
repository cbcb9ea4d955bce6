"""From the folder of a data set to its splits, for the layouts that data sets come in."""

from collections.abc import Callable, Mapping
from pathlib import Path

from vqx.data.class_folders import IMAGENET, PLACES365, find_imagenet, find_places365
from vqx.data.faces import CELEBA, CELEBAHQ, FFHQ, find_celeba, find_celebahq, find_ffhq
from vqx.data.listing import LAYOUT, folder_source, hashed_fraction
from vqx.data.parquet import PARQUET, find_parquet
from vqx.data.sources import FileSource, ImageSource
from vqx.errors import ConfigError, DataError

Sources = dict[str, ImageSource]

# What finds the splits in a root (with the file of classes, if any), and what it expects there.
_LAYOUTS: Mapping[str, tuple[Callable[[Path, Path | None], Sources], str]] = {
    "imagenet": (find_imagenet, IMAGENET),
    "celeba": (find_celeba, CELEBA),
    "celebahq": (find_celebahq, CELEBAHQ),
    "ffhq": (find_ffhq, FFHQ),
    "places365": (find_places365, PLACES365),
    "parquet": (find_parquet, PARQUET),
}
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
    `validation_fraction` of the names, chosen by their hash, is the validation split; else one of
    imagenet, celeba, celebahq, ffhq, places365, parquet. `classes`: a file with the classes to take
    (imagenet only). Raises DataError naming the folder and the expected layout.
    """
    expected = _expected(layout)
    if classes is not None and layout != "imagenet":
        raise ConfigError(f"classes={classes} needs layout=imagenet: remove it")
    root = Path(root).expanduser()
    if not root.is_dir():
        raise DataError(f"image folder {root} does not exist: {expected}")
    if layout is None:
        return _split_folders(root) or _split_plain(root, validation_fraction)
    found = _LAYOUTS[layout][0](root, None if classes is None else Path(classes))
    if not found:
        raise DataError(f"image folder {root} has another layout than {layout}: {expected}")
    return found


def split_by_fraction(sources: Mapping[str, ImageSource], layout: str | None, root: Path) -> bool:
    """Whether `sources` were found in `root` as one plain folder, split by validation_fraction."""
    return layout is None and all(source.root == root for source in sources.values())


def choose_splits(
    sources: Mapping[str, ImageSource],
    evaluation_split: str | None,
    root: str | Path,
    *,
    layout: str | None = None,
) -> tuple[ImageSource, ImageSource]:
    """The training split and the one to evaluate on: `evaluation_split`, null: what is there.

    `root` and `layout` are for messages. Raises DataError where a split is missing.
    """
    if evaluation_split not in (None, "validation", "test"):
        raise ConfigError(
            f"evaluation_split={evaluation_split} must be validation, test or null (what is there)"
        )
    there = [split for split in ("validation", "test") if split in sources]
    split = evaluation_split or next(iter(there), "validation")
    for needed in ("train", split):
        if needed not in sources:
            raise DataError(f"image folder {root} has no {needed}/: {_expected(layout)}")
    return sources["train"], sources[split]


def _expected(layout: str | None) -> str:
    if layout is None:
        return LAYOUT
    if layout not in _LAYOUTS:
        names = ", ".join(_LAYOUTS)
        raise ConfigError(f"layout={layout} must be null (train/, validation/, test/) or {names}")
    return _LAYOUTS[layout][1]


def _split_folders(root: Path) -> Sources:
    folders = {child.name.lower(): child for child in sorted(root.iterdir()) if child.is_dir()}
    validation = [folders[name] for name in _VALIDATION if name in folders]
    if len(validation) > 1:
        raise DataError(
            f"{validation[0]} and {validation[1]} are both validation folders: keep one"
        )
    found = {"train": folders.get("train"), "validation": next(iter(validation), None)}
    found["test"] = folders.get("test")
    return {split: folder_source(folder, split) for split, folder in found.items() if folder}


def _split_plain(root: Path, validation_fraction: float) -> Sources:
    names = list(folder_source(root, "train").names)
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
