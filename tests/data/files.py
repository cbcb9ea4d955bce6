"""Small data sets in the layouts of the real ones, and image sets whose pixels say who they are."""

import gzip
import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vqx.data import Data
from vqx.data.in_memory import TensorImages


def tensor_data(
    *, images: int = 10, side: int = 8, size: int = 5, evaluation: int = 7, **flags: bool
) -> Data:
    """Random images in memory, `side` stored and `size` seen."""
    generator = torch.Generator().manual_seed(0)

    def image_set(split: str, count: int) -> TensorImages:
        pixels = torch.randint(256, (count, 3, side, side), dtype=torch.uint8, generator=generator)
        return TensorImages(
            pixels, name="noise", split=split, image_size=size, description=f"noise {split}"
        )

    train, held_out = image_set("train", images), image_set("validation", evaluation)
    return Data(train, held_out, name="noise", channels=3, image_size=size, **flags)


def noise(height: int, width: int, channels: int = 3, *, seed: int = 0) -> np.ndarray:
    """uint8 (H, W, C), or (H, W) for one channel."""
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_image(path: Path, *, height: int = 9, width: int = 12, channels: int = 3, seed: int = 0):
    """Noise as an image file; returns its pixels (exact for png and bmp)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = noise(height, width, channels, seed=seed)
    Image.fromarray(pixels).save(path)
    return pixels


def touch(root: Path, *names: str) -> Path:
    """Empty files `names` below `root`, which is returned."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def write_folder(root: Path, *, train: int = 11, validation: int = 5) -> Path:
    """Nested png, bmp and jpg files of several shapes, with capitals and Unicode in their names."""
    names = ["a{}.png", "deep/er/b{}.PNG", "größe/ç{}.bmp", "図/d{}.jpg"]
    for split, count in (("train", train), ("validation", validation)):
        for i in range(count):
            path = root / split / names[i % len(names)].format(i)
            write_image(path, height=8 + i % 3, width=8 + i % 5, seed=i + 100 * len(split))
    return root


def write_idx(folder: Path, *, train: int = 12, test: int = 6, packed: bool = False) -> None:
    """The four files of MNIST and its relatives, 28x28, as they are or as .gz."""
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, count, seed in (("train", train, 1), ("t10k", test, 2)):
        pixels = noise(count * 28, 28, 1, seed=seed).tobytes()
        header = b"".join(n.to_bytes(4, "big") for n in (0x803, count, 28, 28))
        _write(folder / f"{prefix}-images-idx3-ubyte", header + pixels, packed)
        labels = b"".join(n.to_bytes(4, "big") for n in (0x801, count)) + bytes(count)
        _write(folder / f"{prefix}-labels-idx1-ubyte", labels, packed)


def _write(path: Path, content: bytes, packed: bool) -> None:
    if packed:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(content))
    else:
        path.write_bytes(content)


def idx_images(count: int, *, seed: int) -> torch.Tensor:
    """What `write_idx` wrote: (N, 1, 28, 28); seed 1 is train, 2 is test."""
    return torch.from_numpy(noise(count * 28, 28, 1, seed=seed)).reshape(count, 1, 28, 28)


def install_cifar(root: Path, dataset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pickles of torchvision's class `dataset` below `root`, few rows each.

    torchvision checks every file's md5, so its lists name those of our files meanwhile.
    """
    from torchvision import datasets

    type_ = getattr(datasets, dataset)
    sums = _write_cifar(root, type_)
    for name in ("train_list", "test_list"):
        monkeypatch.setattr(type_, name, [[file, sums[file]] for file, _ in getattr(type_, name)])
    monkeypatch.setattr(type_, "meta", {**type_.meta, "md5": sums[type_.meta["filename"]]})


def _write_cifar(root: Path, type_: type, *, rows: int = 4) -> dict[str, str]:
    folder = root / type_.base_folder
    folder.mkdir(parents=True)
    label = "labels" if type_.__name__ == "CIFAR10" else "fine_labels"
    sums = {}
    for number, (file, _) in enumerate(type_.train_list + type_.test_list):
        entry = {"data": cifar_rows(number, rows=rows), label: [0] * rows}
        sums[file] = _pickled(folder / file, entry)
    meta = type_.meta
    sums[meta["filename"]] = _pickled(folder / meta["filename"], {meta["key"]: ["a"]})
    return sums


def cifar_rows(number: int, *, rows: int = 4) -> np.ndarray:
    """Rows (n, 3072) of the file number `number`: all red values, then green, then blue."""
    return noise(rows, 3072, 1, seed=number + 50)


def _pickled(path: Path, value: object) -> str:
    content = pickle.dumps(value)
    path.write_bytes(content)
    return hashlib.md5(content).hexdigest()
