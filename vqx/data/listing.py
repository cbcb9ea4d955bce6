"""Finding the image files of a folder and their splits."""

import hashlib
import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from vqx.errors import ConfigError, DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
LAYOUT = (
    "expected train/ and validation/ (or val/, valid/) or test/ with "
    f"{', '.join(SUFFIXES)} files inside, or one plain folder of such files"
)
_VALIDATION = ("validation", "val", "valid")


def image_names(root: Path) -> list[str]:
    """Names, relative to `root` with forward slashes, of all image files below it, sorted.

    Suffixes count in any case; links to folders are followed; hidden files and folders are not.
    """
    names = []
    seen: set[str] = set()
    for folder, subfolders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link back up, or two links to one folder
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = sorted(sub for sub in subfolders if not sub.startswith("."))
        inside = Path(folder).relative_to(root)
        names += [
            (inside / file).as_posix()
            for file in files
            if file.lower().endswith(SUFFIXES) and not file.startswith(".")
        ]
    return sorted(names)


def printable(name: str) -> str:
    """`name` as text that can be printed and written as UTF-8, whatever bytes the disk holds."""
    return os.fsencode(name).decode("utf-8", "replace")


def hashed_fraction(name: str) -> float:
    """A number in [0, 1) that depends on `name` alone: its SHA-256, composed Unicode form."""
    composed = unicodedata.normalize("NFC", name).encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.sha256(composed).digest()[:6], "big") / 2**48


@dataclass(frozen=True, slots=True)
class Split:
    """One split on disk: image files `names` below `root`; `name` is train, validation or test."""

    root: Path
    names: list[str]
    name: str


def find_splits(
    root: str | Path, evaluation_split: str | None = None, validation_fraction: float = 0.1
) -> tuple[Split, Split]:
    """The training and the evaluation split of the image folder `root`.

    With train/ in `root` the splits are its folders; without any split folder, `root` is one folder
    of which `validation_fraction` of the names, chosen by their hash, is the validation split.
    Raises DataError naming the folder and the expected layout.
    """
    if evaluation_split not in (None, "validation", "test"):
        raise ConfigError(
            f"evaluation_split={evaluation_split} must be validation, test or null (what is there)"
        )
    root = Path(root).expanduser()
    if not root.is_dir():
        raise DataError(f"image folder {root} does not exist: {LAYOUT}")
    folders = {child.name.lower(): child for child in sorted(root.iterdir()) if child.is_dir()}
    validation = [folders[name] for name in _VALIDATION if name in folders]
    if len(validation) > 1:
        raise DataError(
            f"{validation[0]} and {validation[1]} are both validation folders: keep one"
        )
    found = {"validation": validation[0]} if validation else {}
    if "test" in folders:
        found["test"] = folders["test"]
    if "train" not in folders and not found:
        return _split_plain(root, evaluation_split, validation_fraction)
    split = evaluation_split or next(iter(found), "validation")
    if "train" not in folders or split not in found:
        lacking = "train" if "train" not in folders else split
        raise DataError(f"image folder {root} has no {lacking}/: {LAYOUT}")
    return _filled(folders["train"], "train"), _filled(found[split], split)


def _filled(folder: Path, split: str) -> Split:
    names = image_names(folder)
    if not names:
        raise DataError(f"image folder {folder} holds no images: {LAYOUT}")
    return Split(folder, names, split)


def _split_plain(
    root: Path, evaluation_split: str | None, validation_fraction: float
) -> tuple[Split, Split]:
    if evaluation_split == "test":
        raise DataError(f"image folder {root} has no test/: {LAYOUT}")
    names = _filled(root, "train").names
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
    return Split(root, training, "train"), Split(root, held_out, "validation")
