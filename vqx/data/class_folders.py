"""The layouts of ImageNet, its subsets, and Places365: one folder of images for each class."""

import csv
import json
import re
from collections.abc import Iterable
from pathlib import Path

from vqx.data.listing import folder_source, image_names
from vqx.data.sources import FileSource, ImageSource
from vqx.errors import DataError

IMAGENET = (
    "expected train/n01440764/*.JPEG (or train.X1/ ... train.X4/) and val/n01440764/*.JPEG or "
    "val/*.JPEG, here or in ILSVRC/Data/CLS-LOC/"
)
PLACES365 = (
    "expected places365_standard/train/ and val/, or data_256/ (or data_256_standard/) and "
    "val_256/, or data_large/ (or data_large_standard/) and val_large/"
)
_WNID = re.compile(r"n\d{8}")
_VALIDATION_CLASSES = "LOC_val_solution.csv"  # lies where Kaggle's archive was unpacked


def find_imagenet(root: Path, classes: Path | None) -> dict[str, ImageSource]:
    """The splits of ImageNet or a subset, of all its classes or of those in the file `classes`."""
    base = next(
        (
            root / inside
            for inside in ("", "ILSVRC/Data/CLS-LOC", "Data/CLS-LOC", "CLS-LOC")
            if (root / inside).is_dir() and _folders(root / inside, "train")
        ),
        root,
    )
    chosen = None if classes is None else read_classes(classes)
    found: dict[str, ImageSource] = {}
    for split, spelling in (("train", "train"), ("validation", "val"), ("test", "test")):
        folders = _folders(base, spelling) or _folders(base, split)
        # Images of the test folder have no published class to choose them by.
        if folders and not (chosen and split == "test"):
            found[split] = _imagenet_split(root, base, folders, split, chosen)
    return found


def _folders(base: Path, name: str) -> list[str]:
    """NAME, or the parts NAME.X, NAME.X1, ... that the archive of ImageNet-100 on Kaggle has."""
    if (base / name).is_dir():
        return [name]
    return sorted(child.name for child in base.glob(f"{name}.X*") if child.is_dir())


def _imagenet_split(
    root: Path, base: Path, folders: list[str], split: str, chosen: list[str] | None
) -> FileSource:
    if len(folders) == 1:
        base, folders = base / folders[0], [""]
    names = [
        f"{folder}/{name}".lstrip("/") for folder in folders for name in image_names(base / folder)
    ]
    if not names:
        packed = any((base / folders[0]).glob("*.tar"))
        hint = "unpack the .tar of each class into a folder of its name; " if packed else ""
        raise DataError(f"image folder {base} holds no images: {hint}{IMAGENET}")
    if split == "train" and not any(_class_of(name) for name in names):
        raise DataError(f"{base} has no folder of a class, as n01440764: {IMAGENET}")
    if chosen is not None:
        names = _of_classes(
            names, chosen, base, _published_classes(root) if split == "validation" else {}
        )
    return FileSource(base, sorted(names), split)


def _class_of(name: str) -> str | None:
    folder = name.rpartition("/")[0].rpartition("/")[2]
    return folder if _WNID.fullmatch(folder) else None


def _of_classes(
    names: Iterable[str], chosen: list[str], folder: Path, published: dict[str, str]
) -> list[str]:
    wanted = set(chosen)
    class_of = {name: _class_of(name) or published.get(Path(name).stem) for name in names}
    unknown = next((name for name, of in class_of.items() if of is None), None)
    if unknown is not None:
        raise DataError(
            f"the class of {folder}/{unknown} is not known, so data.classes cannot choose: sort "
            f"the images into folders of their class, or put {_VALIDATION_CLASSES} in data.root"
        )
    missing = sorted(wanted - set(class_of.values()))
    if missing:
        raise DataError(
            f"{folder} has no images of {len(missing)} of the {len(wanted)} classes in "
            f"data.classes, as {missing[0]}: add them or take them off the list"
        )
    return [name for name, of in class_of.items() if of in wanted]


def _published_classes(root: Path) -> dict[str, str]:
    """Class of each validation image, by its stem, from Kaggle's csv file; empty without it."""
    path = root / _VALIDATION_CLASSES
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    return {row[0]: row[1].split()[0] for row in rows[1:] if len(row) > 1 and row[1].split()}


def read_classes(path: Path) -> list[str]:
    """WordNet ids, as n01440764, in `path`: the first word of each line, or the keys of a .json."""
    try:
        text = path.expanduser().read_text(encoding="utf-8")
        words = list(json.loads(text)) if path.suffix == ".json" else _first_words(text)
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"data.classes={path} cannot be read ({error}): name a text file"
        ) from error
    wrong = next((word for word in words if not _WNID.fullmatch(str(word))), None)
    if wrong is not None or not words:
        held = "is empty" if wrong is None else f"holds {wrong!r}"
        raise DataError(f"data.classes={path} {held}: expected one class a line, as n01440764")
    return words


def _first_words(text: str) -> list[str]:
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return [words[0] for words in lines if words]


def find_places365(root: Path, classes: Path | None) -> dict[str, ImageSource]:
    """The splits of Places365-Standard, as one archive, or as the 256 px or the large archives."""
    del classes
    candidates = [
        (root / "places365_standard", "train", "val", "test"),
        (root, "train", "val", "test"),
        *(
            (root, f"data_{size}{suffix}", f"val_{size}", f"test_{size}")
            for size in ("256", "large")
            for suffix in ("", "_standard")
        ),
    ]
    for base, *folders in candidates:
        if (base / folders[0]).is_dir():
            splits = zip(("train", "validation", "test"), folders, strict=True)
            return {
                split: folder_source(base / folder, split, expected=PLACES365)
                for split, folder in splits
                if (base / folder).is_dir()
            }
    return {}
