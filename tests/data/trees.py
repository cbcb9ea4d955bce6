"""Tiny data sets in the layouts of the real ones: from folder and file names to images."""

import io
from collections.abc import Iterable
from pathlib import Path

import pytest
from PIL import Image

from tests.data.files import noise, write_image

SPLIT_OF_CELEBA = {"000001": 0, "000002": 0, "000003": 1, "000004": 2, "000005": 0}


def write_images(root: Path, names: Iterable[str], *, side: int = 70) -> Path:
    """Noise, different for each name."""
    for seed, name in enumerate(names):
        write_image(root / name, height=side, width=side + seed % 3, seed=seed)
    return root


def write_imagenet(root: Path) -> Path:
    names = [f"train/n{c:08d}/n{c:08d}_{i}.JPEG" for c in (1, 2, 3) for i in range(3)]
    names += [f"val/ILSVRC2012_val_{i:08d}.JPEG" for i in range(1, 5)]
    return write_images(root, names)


def write_imagenet100(root: Path) -> Path:
    names = [f"train.X{c}/n{c:08d}/n{c:08d}_{i}.JPEG" for c in (1, 2, 3, 4) for i in range(2)]
    names += [f"val.X/n{c:08d}/ILSVRC2012_val_{c:08d}.JPEG" for c in (1, 2, 3, 4)]
    return write_images(root, names)


def write_celeba(root: Path) -> Path:
    write_images(root / "img_align_celeba", (f"{stem}.jpg" for stem in SPLIT_OF_CELEBA))
    lines = "".join(f"{stem}.jpg {split}\n" for stem, split in SPLIT_OF_CELEBA.items())
    (root / "list_eval_partition.txt").write_text(lines)
    return root


def write_celebahq(root: Path) -> Path:
    return write_images(root / "celeba_hq_256", ("0.jpg", "26999.jpg", "27000.jpg")).parent


def write_ffhq(root: Path) -> Path:
    numbers = (0, 999, 1000, 59999, 60000, 69999)
    names = [f"{n // 1000 * 1000:05d}/{n:05d}.png" for n in numbers]
    return write_images(root / "thumbnails128x128", names).parent


def write_places365(root: Path) -> Path:
    names = [
        f"data_256_standard/a/{place}/{i:08d}.jpg" for place in ("abbey", "alley") for i in (1, 2)
    ]
    return write_images(root, [*names, "val_256/Places365_val_00000001.jpg"])


def write_parquet(root: Path, *, rows: int = 7, group: int = 3) -> dict[str, list[bytes]]:
    """Two files of training images, one of test images; returns the encoded images in order."""
    arrow = pytest.importorskip("pyarrow", reason="layout=parquet needs pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    (root / "data").mkdir(parents=True)
    encoded: dict[str, list[bytes]] = {"train": [], "test": []}
    for seed, file in enumerate(
        ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001")
    ):
        images = [_png(seed * rows + row) for row in range(rows)]
        encoded[file.partition("-")[0]] += images
        column = [{"bytes": image, "path": f"{row}.png"} for row, image in enumerate(images)]
        table = arrow.table({"label": list(range(rows)), "image": column})
        parquet.write_table(table, root / "data" / f"{file}.parquet", row_group_size=group)
    return encoded


def _png(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(noise(20, 20 + seed % 3, seed=seed)).save(file, format="PNG")
    return file.getvalue()
