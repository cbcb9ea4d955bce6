"""Readers of the data benchmark: ours, the baseline that most users have, and the bare floors.

Each is a generator whose first answer is None, once all it needs is imported, and the others a
batch each, without end.

Axes: b images of a batch, C channels, S side of the window.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch.utils.data import Dataset

ENDLESS = 10_000  # epochs of the baseline: no border between epochs is measured


@dataclass(frozen=True, slots=True)
class Reading:
    """What to read and how; `root`: a folder of images, a prepared one or a .beton of the peer's.

    `workers`: processes or threads; `images`: of the training split; `crop`: whether stored images
    are larger than the window.
    """

    root: Path
    images: int
    load_size: int
    image_size: int
    crop: bool
    batch: int
    workers: int


Batches = Generator[Any, None, None]
Loader = Literal["memory", "memmap", "folder", "ffcv"]


def ours(reading: Reading, *, loader: Loader) -> Batches:
    """uint8 (b, C, S, S): what `train_batches` gives the trainer."""
    from vqx.data import folder, train_batches

    yield None
    data = folder(
        root=reading.root,
        loader=loader,
        image_size=reading.image_size,
        load_size=reading.load_size,
        workers=reading.workers,
        channels=3,
        random_crop=True,
        flip=True,
    )
    assert data.loader == loader, data.loader
    with closing(train_batches(data, batch_size=reading.batch, seed=0)) as steps:
        for (images,) in steps:
            yield images


def baseline(reading: Reading) -> Batches:
    """float32 (b, C, S, S) in [-1, 1]: ImageFolder, PIL and DataLoader as in most projects."""
    from torch.utils.data import DataLoader, RandomSampler
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    yield None
    transform = transforms.Compose(
        [
            *([transforms.RandomCrop(reading.image_size)] if reading.crop else []),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )
    dataset = ImageFolder(str(reading.root / "train"), transform)
    loader = DataLoader(
        dataset,
        batch_size=reading.batch,
        # One long epoch of many permutations: nothing is lost between epochs.
        sampler=RandomSampler(dataset, num_samples=len(dataset) * ENDLESS),
        num_workers=reading.workers,
    )
    for images, _ in loader:
        yield images


def decode(reading: Reading) -> Batches:
    """The bare floor of files: `workers` processes decode the same bytes, which they hold.

    Yields as many numbers as images were decoded: the pixels go nowhere.
    """
    from torch.utils.data import DataLoader

    yield None
    encoded = [path.read_bytes() for path in sorted((reading.root / "train").rglob("*.*"))]
    requests = _orders(len(encoded), reading.batch)
    loader = DataLoader(
        _Decoder(encoded), batch_size=None, sampler=requests, num_workers=reading.workers
    )
    yield from loader


class _Decoder(Dataset[range]):
    def __init__(self, encoded: list[bytes]) -> None:
        self._encoded = [torch.frombuffer(bytearray(text), dtype=torch.uint8) for text in encoded]

    def __getitem__(self, indices: list[int]) -> range:
        from torchvision.io import ImageReadMode, decode_image

        for index in indices:
            decode_image(self._encoded[index], ImageReadMode.RGB)
        return range(len(indices))


def _orders(length: int, batch: int) -> Iterator[list[int]]:
    """Batches of indices across endless permutations of `length` images."""
    endless = (index for epoch in count() for index in _permutation(length, epoch))
    return iter(lambda: list(islice(endless, batch)), [])


def _permutation(length: int, epoch: int) -> list[int]:
    generator = torch.Generator().manual_seed(epoch)
    order: list[int] = torch.randperm(length, generator=generator).tolist()
    return order


def copy(reading: Reading) -> Batches:
    """The bare floor of pixels: gathering windows that lie whole in memory into one buffer."""
    yield None
    generator, length = np.random.default_rng(0), 3 * reading.image_size**2
    pixels = generator.integers(256, size=(reading.images, length), dtype=np.uint8)
    batch = np.empty((reading.batch, length), np.uint8)
    for epoch in count():
        order = _permutation(reading.images, epoch)
        for start in range(0, reading.images, reading.batch):
            indices = order[start : start + reading.batch]
            # clip: without it numpy gathers into a buffer of its own first
            yield np.take(pixels, indices, axis=0, out=batch[: len(indices)], mode="clip")
