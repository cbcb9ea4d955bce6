"""Folders of image files, decoded and resized by worker processes while training runs.

Axes: b rows of one read, C channels, S side of the window, N images.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vqx.data.decoding import cut, is_grey, open_upright, resize_short_side
from vqx.data.image_set import Data, ImageSet, Views
from vqx.data.listing import Split, find_splits, printable
from vqx.data.windows import mirror
from vqx.data.worker_stream import WorkerStream
from vqx.errors import ConfigError, DataError

FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")

Request = tuple[list[int], list[tuple[float, float]] | None]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A worker's answer: uint8 (b, C, S, S), None if b = 0; (name, reason) of broken files."""

    images: Tensor | None
    broken: list[tuple[str, str]]


@dataclass(frozen=True)
class FileReader(Dataset[Decoded]):
    """Decodes a batch of files in a worker. `broken` is `FolderImages`' option."""

    files: Split
    channels: int
    image_size: int
    load_size: int
    filter_name: str
    broken: str

    def __getitem__(self, request: Request) -> Decoded:
        """The windows (indices, positions or None) asked for."""
        indices, positions = request
        arrays: list[np.ndarray] = []
        broken: list[tuple[str, str]] = []
        for row, index in enumerate(indices):
            position = None if positions is None else positions[row]
            array = self._first_readable(index, position, broken)
            if array is not None:
                arrays.append(array)
            elif self.broken == "stop":
                break
        if not arrays:
            return Decoded(None, broken)
        batch = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()
        return Decoded(batch, broken)

    def _first_readable(
        self, index: int, position: tuple[float, float] | None, broken: list[tuple[str, str]]
    ) -> np.ndarray | None:
        # Which file replaces a broken one depends on the files alone: the next in the list.
        attempts = len(self.files.names) if self.broken == "replace" else 1
        for offset in range(attempts):
            name = self.files.names[(index + offset) % len(self.files.names)]
            try:
                return self._decode(self.files.root / name, position)
            except Exception as error:  # a damaged file can raise anything inside a decoder
                reason = " ".join(str(error).split()) or type(error).__name__
                broken.append((printable(name), reason))
        return None

    def _decode(self, path: Path, position: tuple[float, float] | None) -> np.ndarray:
        image = open_upright(path, channels=self.channels)
        image = resize_short_side(image, self.load_size, self.filter_name)
        return cut(image, self.image_size, position)


class FolderImages(ImageSet):
    """The image files of a split, short side resized to `load_size`, then cut.

    `broken`: what an unreadable file does. "stop": DataError naming it; "replace": the next
    readable one takes its place; "leave_out": its row is missing. Those met are in `left_out`.
    """

    def __init__(
        self,
        reader: FileReader,
        *,
        name: str,
        start_method: str | None = None,
    ) -> None:
        self.reader = reader
        self.name = name
        self.split = reader.files.name
        self.channels = reader.channels
        self.image_size = reader.image_size
        self.description = (
            f"{name} {self.split}, short side {reader.load_size} px by {reader.filter_name}, "
            f"{reader.image_size}x{reader.image_size} centre crop"
        )
        self._start_method = start_method
        self._left_out: set[str] = set()

    def __len__(self) -> int:
        return len(self.reader.files.names)

    @property
    def left_out(self) -> list[str]:
        """See `ImageSet.left_out`."""
        return sorted(self._left_out)

    def read(
        self, views: Iterable[Views], *, workers: int = 0
    ) -> Generator[Tensor | None, None, None]:
        """See `ImageSet.read`. Raises DataError for a file that `broken` does not forgive."""
        flips: deque[Tensor | None] = deque()
        requests = _requests(views, flips)
        stream = WorkerStream(
            self.reader, requests, workers=workers, start_method=self._start_method
        )
        with closing(stream):
            for decoded in stream:
                self._account_for(decoded)
                flip = flips.popleft()
                yield None if decoded.images is None else mirror(decoded.images, flip)

    def _account_for(self, decoded: Decoded) -> None:
        if decoded.broken and self.reader.broken == "stop":
            name, reason = decoded.broken[0]
            raise DataError(
                f"image {printable(str(self.reader.files.root))}/{name} cannot be read ({reason}): "
                "repair or remove it, or set data.broken=skip"
            )
        if decoded.images is None and self.reader.broken == "replace":
            raise DataError(
                f"no image in {self.reader.files.root} can be read: {decoded.broken[0]}"
            )
        self._left_out.update(name for name, _ in decoded.broken)


def _requests(views: Iterable[Views], flips: deque[Tensor | None]) -> Iterator[Request]:
    # Lists, not tensors: a tensor would reach the workers through shared memory, one file each.
    for view in views:
        flips.append(view.flip)
        position = None if view.position is None else [(p[0], p[1]) for p in view.position.tolist()]
        yield view.indices.tolist(), position


def folder(
    *,
    root: str | Path,
    name: str = "folder",
    image_size: int = 64,
    load_size: int | None = None,
    filter: str = "bicubic",
    channels: int | None = None,
    evaluation_split: Literal["validation", "test"] | None = None,
    validation_fraction: float = 0.1,
    broken: Literal["stop", "skip"] = "stop",
    workers: int = 2,
    start_method: str | None = None,
    flip: bool = True,
    random_crop: bool = True,
    shuffle: bool = True,
) -> Data:
    """A folder of images: train/ and validation/ or test/ in it, or plain and split by names' hash.

    The short side becomes `load_size` pixels (null: image_size) by Pillow's `filter`. `channels`
    null: 1 if all of the first training images are grey, else 3. `broken`: "stop" raises DataError
    naming the file; "skip" evaluates without it and trains on the next one in its place.
    """
    load_size = image_size if load_size is None else load_size
    _check(image_size, load_size, filter, channels, broken)
    splits = find_splits(root, evaluation_split, validation_fraction)
    channels = guess_channels(splits[0]) if channels is None else channels
    forgiving = ("replace", "leave_out") if broken == "skip" else ("stop", "stop")
    train, held_out = (
        FolderImages(
            FileReader(split, channels, image_size, load_size, filter, forgive),
            name=name,
            start_method=start_method,
        )
        for split, forgive in zip(splits, forgiving, strict=True)
    )
    flags = {"flip": flip, "random_crop": random_crop, "shuffle": shuffle}
    return Data(train, held_out, name, channels, image_size, workers=workers, **flags)


def _check(image_size: int, load_size: int, filter: str, channels: Any, broken: str) -> None:
    if load_size < image_size:
        raise ConfigError(f"load_size={load_size} must be at least image_size={image_size}")
    if filter not in FILTERS:
        raise ConfigError(f"filter={filter} must be one of {', '.join(FILTERS)}")
    if channels not in (None, 1, 3):
        raise ConfigError(f"channels={channels} must be 1, 3 or null (look at the images)")
    if broken not in ("stop", "skip"):
        raise ConfigError(f"broken={broken} must be stop or skip")


def guess_channels(images: Split, *, count: int = 64) -> int:
    """1 if all readable headers among the first `count` images are grey, else 3."""
    readable = 0
    for name in images.names[:count]:
        try:
            if not is_grey(images.root / name):
                return 3
        except Exception:  # reported, if it must be, when the image itself is read
            continue
        readable += 1
    if not readable:
        raise DataError(
            f"none of the first {count} images in {images.root} can be read, among them "
            f"{printable(images.names[0])}: replace them by readable images, or set data.channels"
        )
    return 1
