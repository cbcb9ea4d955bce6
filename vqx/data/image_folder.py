"""Folders of image files, decoded and resized by worker processes while training runs.

Axes: b rows of one read, H W pixels, C channels, S side of the window, N images.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vqx.data.decoding import is_grey
from vqx.data.image_set import ImageSet, Views
from vqx.data.listing import printable
from vqx.data.recipe import Recipe
from vqx.data.sources import ImageSource
from vqx.data.windows import mirror
from vqx.data.worker_stream import WorkerStream
from vqx.errors import DataError

Request = tuple[list[int], list[tuple[float, float]] | None]
Broken = Literal["stop", "replace", "leave_out"]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A worker's answer: uint8 (b, C, S, S), None if b = 0; (name, reason) of broken files."""

    images: Tensor | None
    broken: list[tuple[str, str]]


@dataclass(frozen=True)
class FileReader(Dataset[Decoded]):
    """Decodes a batch of files in a worker. `broken` is `FolderImages`' option."""

    source: ImageSource
    recipe: Recipe
    image_size: int
    broken: Broken

    def __getitem__(self, request: Request) -> Decoded:
        """The windows (indices, positions or None) asked for."""
        indices, positions = request
        arrays: list[np.ndarray] = []
        broken: list[tuple[str, str]] = []
        for row, index in enumerate(indices):
            pixels = self._first_readable(index, broken)
            if pixels is not None:
                position = None if positions is None else positions[row]
                arrays.append(cut(pixels, self.image_size, position))
            elif self.broken == "stop":
                break
        if not arrays:
            return Decoded(None, broken)
        batch = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()
        return Decoded(batch, broken)

    def _first_readable(self, index: int, broken: list[tuple[str, str]]) -> np.ndarray | None:
        # Which file replaces a broken one depends on the files alone: the next in the list.
        attempts = len(self.source) if self.broken == "replace" else 1
        for offset in range(attempts):
            candidate = (index + offset) % len(self.source)
            try:
                with self.source.open(candidate) as file:
                    return self.recipe.pixels(file)
            except Exception as error:  # a damaged file can raise anything inside a decoder
                reason = " ".join(str(error).split()) or type(error).__name__
                broken.append((printable(self.source.names[candidate]), reason))
        return None


def cut(pixels: np.ndarray, size: int, position: tuple[float, float] | None) -> np.ndarray:
    """Window (S, S, C) of `pixels` (H, W, C) at `position` (down, right) in [0, 1); None: centre.

    A view, by the rule of `windows.window_start`.
    """
    rooms = (pixels.shape[0] - size, pixels.shape[1] - size)
    if position is None:
        top, left = (room // 2 for room in rooms)
    else:
        top, left = (
            min(int(place * (room + 1)), room) for place, room in zip(position, rooms, strict=True)
        )
    return pixels[top : top + size, left : left + size]


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
        self.split = reader.source.split
        self.channels = reader.recipe.channels
        self.image_size = reader.image_size
        self.description = (
            f"{name} {self.split}, {reader.recipe.description}, "
            f"{reader.image_size}x{reader.image_size} centre crop"
        )
        self._start_method = start_method
        self._left_out: set[str] = set()

    def __len__(self) -> int:
        return len(self.reader.source)

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
            root = printable(str(self.reader.source.root))
            raise DataError(
                f"image {root}/{name} cannot be read ({reason}): "
                "repair or remove it, or set data.broken=skip"
            )
        if decoded.images is None and self.reader.broken == "replace":
            raise DataError(
                f"no image in {self.reader.source.root} can be read: {decoded.broken[0]}"
            )
        self._left_out.update(name for name, _ in decoded.broken)


def _requests(views: Iterable[Views], flips: deque[Tensor | None]) -> Iterator[Request]:
    # Lists, not tensors: a tensor would reach the workers through shared memory, one file each.
    for view in views:
        flips.append(view.flip)
        position = None if view.position is None else [(p[0], p[1]) for p in view.position.tolist()]
        yield view.indices.tolist(), position


def guess_channels(source: ImageSource, *, count: int = 64) -> int:
    """1 if all readable headers among the first `count` images are grey, else 3."""
    readable = 0
    for index in range(min(count, len(source))):
        try:
            with source.open(index) as file:
                if not is_grey(file):
                    return 3
        except Exception:  # reported, if it must be, when the image itself is read
            continue
        readable += 1
    if not readable:
        raise DataError(
            f"none of the first {count} images in {source.root} can be read, among them "
            f"{printable(source.names[0])}: replace them by readable images, or set data.channels"
        )
    return 1
