"""CIFAR-10/100, MNIST and its relatives through torchvision, held in memory.

Axes: N images, C channels, H W pixels.
"""

import gzip
import os
import shutil
import socket
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vqx.data.file_lock import locked
from vqx.data.image_set import Data
from vqx.data.in_memory import TensorImages
from vqx.errors import ConfigError, DataError

_CONNECT_SECONDS = 20.0


def torchvision_images(
    *,
    dataset: str,
    name: str,
    cache_dir: str | Path,
    image_size: int | None = None,
    channels: int | None = None,
    download: bool = True,
    local_sources: Sequence[str] = (),
    debian_package: str | None = None,
    flip: bool = False,
    random_crop: bool = False,
    shuffle: bool = True,
) -> Data:
    """torchvision's class `dataset` (CIFAR10, CIFAR100, MNIST, FashionMNIST, ...), all in memory.

    Files are looked for in `cache_dir`, then in the folders `local_sources`, then downloaded there
    (any number of processes may ask at once). `image_size` above the set's own pads with zeros on
    all sides; `channels` 3 repeats grey. Training and evaluation are its training and test split.
    Raises DataError, naming the remedy, where the files cannot be had.
    """
    if random_crop:
        raise ConfigError(f"random_crop=true has no effect on '{name}': set it to false")
    source = _Source(dataset, name, Path(cache_dir).expanduser(), debian_package)
    if not source.complete():
        source.fetch([Path(place).expanduser() for place in local_sources], download=download)
    train, test = (
        _padded_images(source.read(train=split == "train"), name, split, image_size, channels)
        for split in ("train", "test")
    )
    return Data(
        train=train,
        evaluation=test,
        name=name,
        channels=train.channels,
        image_size=train.image_size,
        flip=flip,
        shuffle=shuffle,
    )


def _padded_images(
    images: Tensor, name: str, split: str, image_size: int | None, channels: int | None
) -> TensorImages:
    own, native = images.shape[1], images.shape[-1]
    size = native if image_size is None else image_size
    _check_shape(name, native, size, own, channels)
    shape = "no resize" if size == native else f"zero-padded to {size}x{size}"
    colour = "" if channels in (None, own) else ", grey repeated"
    return TensorImages(
        _pad(images, size),
        name=name,
        split=split,
        image_size=size,
        channels=channels,
        description=f"{name} {split}, {native}x{native}, {shape}{colour}",
    )


def _check_shape(name: str, native: int, size: int, own: int, channels: int | None) -> None:
    if size < native:
        raise ConfigError(f"image_size={size} is below the {native} pixels of '{name}': raise it")
    if channels not in (None, own, 3):
        raise ConfigError(f"channels={channels} must be 3 or null for '{name}', which has {own}")


def _pad(images: Tensor, size: int) -> Tensor:
    """`images` (N, C, H, H) with zeros around them to `size`; an odd pixel goes right and below."""
    room = size - images.shape[-1]
    before, after = room // 2, room - room // 2
    return F.pad(images, (before, after, before, after)) if room else images.contiguous()


class _Source:
    """The files of one torchvision class: which they are, getting them, reading them."""

    type: Any

    def __init__(self, dataset: str, name: str, root: Path, debian_package: str | None) -> None:
        from torchvision import datasets  # takes seconds to import

        found: Any = getattr(datasets, dataset, None)
        families = (datasets.MNIST, datasets.CIFAR10)
        if not (isinstance(found, type) and issubclass(found, families)):
            raise ConfigError(f"dataset={dataset} is no MNIST or CIFAR class of torchvision")
        self.type = found
        self.name, self.root, self.debian_package = name, root, debian_package
        if issubclass(found, datasets.MNIST):
            self.folder = Path(dataset) / "raw"
            self.archives = [Path(url).name for url, _ in self.type.resources]
            self.files = [archive.removesuffix(".gz") for archive in self.archives]
        else:
            self.folder = Path(self.type.base_folder)
            self.archives = [self.type.filename]
            lists = self.type.train_list + self.type.test_list
            self.files = [file for file, _ in lists] + [self.type.meta["filename"]]

    def complete(self) -> bool:
        """Whether all files are in the root."""
        return all((self.root / self.folder / file).is_file() for file in self.files)

    def read(self, *, train: bool) -> Tensor:
        """One split, uint8 (N, C, H, W)."""
        try:
            data = torch.as_tensor(self.type(self.root, train=train).data)
        except Exception as error:  # whatever a damaged file makes torchvision's readers raise
            raise DataError(
                f"data set '{self.name}' in {self.root / self.folder} is damaged "
                f"({_one_line(error)}): delete that folder and run again"
            ) from error
        return data[:, None] if data.ndim == 3 else data.permute(0, 3, 1, 2)

    def fetch(self, local_sources: Sequence[Path], *, download: bool) -> None:
        """Put the files into the root, each whole or not at all; one process at a time."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with (
                locked(self.root / f".{self.name}.lock"),
                tempfile.TemporaryDirectory(dir=self.root, prefix=".incoming-") as stage,
            ):
                if self.complete():  # another process was faster
                    return
                places = [self.root / self.folder, self.root, *local_sources]
                if not self._unpack_local(places, Path(stage)):
                    self._download(Path(stage), download=download)
                (self.root / self.folder).mkdir(parents=True, exist_ok=True)
                for file in self.files:
                    os.replace(Path(stage) / self.folder / file, self.root / self.folder / file)
        except OSError as error:
            raise DataError(
                f"data set '{self.name}' cannot be put into {self.root} ({error}): make room or "
                "set data.cache_dir to a folder that can be written"
            ) from error

    def _unpack_local(self, places: Sequence[Path], stage: Path) -> bool:
        """Unpack the archives from the first of `places` that has them all; whether one had."""
        for place in places:
            found = [place / archive for archive in self.archives]
            if not all(archive.is_file() for archive in found):
                continue
            (stage / self.folder).mkdir(parents=True, exist_ok=True)
            if found[0].name.endswith(".tar.gz"):
                with _readable(found[0]):
                    shutil.unpack_archive(found[0], stage, filter="data")
                return True
            for archive, file in zip(found, self.files, strict=True):
                with (
                    _readable(archive),
                    gzip.open(archive) as packed,
                    (stage / self.folder / file).open("wb") as out,
                ):
                    shutil.copyfileobj(packed, out)
            return True
        return False

    def _download(self, stage: Path, *, download: bool) -> None:
        reason = "data.download is false"
        if download:
            try:
                with _connect_timeout(_CONNECT_SECONDS):
                    self.type(stage, train=True, download=True)
                return
            except (OSError, RuntimeError) as error:  # URLError is an OSError
                reason = f"download failed: {_one_line(error)}"
        remedy = f"copy {', '.join(self.archives)} to {self.root}"
        if self.debian_package is not None:
            remedy += f" or install the Debian package {self.debian_package}"
        raise DataError(f"data set '{self.name}' is not in {self.root} ({reason}): {remedy}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    """Name the archive that turns out to be damaged in the block."""
    damage = (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError, shutil.ReadError)
    try:
        yield
    except damage as error:
        raise DataError(
            f"{archive} is damaged ({_one_line(error)}): delete it and get it again"
        ) from error


@contextmanager
def _connect_timeout(seconds: float) -> Iterator[None]:
    """Give up on a silent server after `seconds`; torchvision sets no limit of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
