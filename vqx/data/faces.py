"""The layouts of the face data sets: CelebA, CelebA-HQ and FFHQ, numbered images in one folder."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from vqx.data.listing import folder_source, image_names
from vqx.data.sources import FileSource, ImageSource
from vqx.errors import DataError

CELEBA = (
    "expected img_align_celeba/*.jpg (or img_align_celeba_png/*.png) and list_eval_partition.txt "
    "or .csv beside it"
)
CELEBAHQ = (
    "expected train/ and val/; or CelebA-HQ-img/, celeba_hq_256/ or images here, numbered 0 to "
    "29999, if there with CelebA-HQ-to-CelebA-mapping.txt and list_eval_partition.txt"
)
FFHQ = (
    "expected images1024x1024/ or thumbnails128x128/ or here, numbered 00000 to 69999, flat or in "
    "folders of a thousand"
)
_SPLITS = ("train", "validation", "test")  # as list_eval_partition.txt numbers them
_PARTITIONS = ("list_eval_partition.txt", "list_eval_partition.csv")


def find_celeba(root: Path, classes: Path | None) -> dict[str, ImageSource]:
    """The three published splits of CelebA."""
    del classes
    bases = (root, root / "celeba")
    partition = _first_file(
        base / sub / name for base in bases for sub in ("", "Eval") for name in _PARTITIONS
    )
    images = _first_folder(
        base / sub
        for base in (*bases, root / "Img")
        for sub in (
            "img_align_celeba/img_align_celeba",  # as unpacked from Kaggle's archive
            "img_align_celeba",
            "img_align_celeba_png",
        )
    )
    if partition is None or images is None:
        return {}
    there = {name.rpartition(".")[0]: name for name in image_names(images)}
    split_of = read_partition(partition)
    return _listed(images, there, split_of, partition)


def _listed(
    images: Path, there: Mapping[str, str], split_of: Mapping[str, str], partition: Path
) -> dict[str, ImageSource]:
    missing = [stem for stem in split_of if stem not in there]
    if missing:
        raise DataError(
            f"{images} lacks {len(missing)} of the {len(split_of)} images in {partition.name}, as "
            f"{missing[0]}: unpack the whole archive"
        )
    found: dict[str, ImageSource] = {}
    for split in _SPLITS:
        names = sorted(there[stem] for stem, of in split_of.items() if of == split)
        if names:
            found[split] = FileSource(images, names, split)
    return found


def read_partition(path: Path) -> dict[str, str]:
    """Split of each image, by its name without suffix: lines "000001.jpg 0" or "000001.jpg,0"."""
    split_of = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.replace(",", " ").split()
        if not words or words == ["image_id", "partition"]:
            continue
        if len(words) != 2 or words[1] not in ("0", "1", "2"):
            raise DataError(f'{path} has the line {line!r}: expected lines as "000001.jpg 0"')
        split_of[Path(words[0]).stem] = _SPLITS[int(words[1])]
    return split_of


def find_celebahq(root: Path, classes: Path | None) -> dict[str, ImageSource]:
    """CelebA-HQ's train/ and val/; or CelebA's own splits, where the two lists are there; or the
    first 27,000 and the last 3,000 by number."""
    del classes
    for base in (root, root / "celeba_hq"):
        if (base / "train").is_dir():
            return {
                split: folder_source(base / folder, split, expected=CELEBAHQ)
                for split, folder in (("train", "train"), ("validation", "val"), ("test", "test"))
                if (base / folder).is_dir()
            }
    bases = (root, root / "CelebAMask-HQ")
    folders = ("CelebA-HQ-img", "celeba_hq_256", "")
    images = _first_folder(base / folder for folder in folders for base in bases)
    mapping = _first_file(base / "CelebA-HQ-to-CelebA-mapping.txt" for base in bases)
    partition = _first_file(base / name for base in bases for name in _PARTITIONS)
    if images is None:
        return {}
    if mapping is not None and partition is not None:
        return _split_as_celeba(images, mapping, partition)
    return _split_by_number(images, 27_000, CELEBAHQ)


def _split_as_celeba(images: Path, mapping: Path, partition: Path) -> dict[str, ImageSource]:
    there = {str(number): name for number, name in numbered(images, CELEBAHQ).items()}
    celeba = read_partition(partition)
    split_of = {}
    for line in mapping.read_text(encoding="utf-8").splitlines()[1:]:  # idx orig_idx orig_file
        words = line.split()
        if words:
            split_of[words[0]] = celeba.get(Path(words[-1]).stem, "unknown")
    if "unknown" in split_of.values():
        raise DataError(f"{partition} lacks images that {mapping.name} names: take CelebA's own")
    return _listed(images, there, split_of, mapping)


def find_ffhq(root: Path, classes: Path | None) -> dict[str, ImageSource]:
    """FFHQ: images 0 to 59,999 to train on and the last 10,000 to validate on."""
    del classes
    folders = ("images1024x1024", "thumbnails128x128", "")
    images = _first_folder(root / folder for folder in folders)
    return {} if images is None else _split_by_number(images, 60_000, FFHQ)


def _split_by_number(images: Path, border: int, expected: str) -> dict[str, ImageSource]:
    found: dict[str, ImageSource] = {}
    every = numbered(images, expected)
    for split, is_train in (("train", True), ("validation", False)):
        names = [name for number, name in every.items() if (number < border) == is_train]
        if names:
            found[split] = FileSource(images, names, split)
    return found


def numbered(images: Path, expected: str) -> dict[int, str]:
    """Images in `images` by the number that is their name, ascending. Raises DataError."""
    found: dict[int, str] = {}
    for name in image_names(images):
        number = re.fullmatch(r"(?:.*/)?(\d+)\.\w+", name)
        if number is None or int(number[1]) in found:
            fault = "is not named by a number" if number is None else "has a number taken already"
            raise DataError(f"image {images / name} {fault}: {expected}")
        found[int(number[1])] = name
    return dict(sorted(found.items()))


def _first_folder(candidates: Iterable[Path]) -> Path | None:
    return next((path for path in candidates if path.is_dir()), None)


def _first_file(candidates: Iterable[Path]) -> Path | None:
    return next((path for path in candidates if path.is_file()), None)
