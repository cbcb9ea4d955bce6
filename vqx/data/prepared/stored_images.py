"""Image sets of a pixel store, in memory or on disk.

Axes: b rows of one read, N images, C channels, H W pixels, T side of equal images.
"""

from abc import abstractmethod
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from vqx.data.image_set import ImageSet, Views
from vqx.data.prepared.pixel_store import PixelStore
from vqx.data.prepared.small_images import SmallImages
from vqx.data.prepared.stored_sets import StoredSplit
from vqx.data.reader import Answer, Broken, Position, Reader, ReaderImages, Request, cut
from vqx.data.reading_ahead import read_ahead
from vqx.data.windows import cut_equal_windows, cut_windows
from vqx.errors import DataError


class StoredImages(ImageSet):
    """The images of `store`, in memory: cutting them takes no workers."""

    def __init__(self, store: PixelStore, about: StoredSplit) -> None:
        about.check_size(store.smallest_side)
        self.name, self.split, self.description = about.name, about.split, about.description
        self.channels, self.image_size = about.channels, about.image_size
        self._about = about
        self._left_out: set[str] = set()
        self._store = store
        self._height, self._width = (
            torch.from_numpy(store.index[side].astype(np.int64)) for side in ("height", "width")
        )
        self._equal = _equal_images(store)

    def __len__(self) -> int:
        return self._about.images

    @property
    def fingerprint(self) -> str:
        """See `ImageSet.fingerprint`."""
        return self._about.fingerprint

    @property
    def contents(self) -> dict[str, str]:
        """See `ImageSet.contents`."""
        return {**super().contents, **self._about.origin}

    @property
    def left_out(self) -> list[str]:
        """See `ImageSet.left_out`."""
        return sorted(self._left_out)

    def read(
        self, views: Iterable[Views], *, workers: int = 0
    ) -> Generator[Tensor | None, None, None]:
        """See `ImageSet.read`; memory needs no workers."""
        for view in views:
            readable = self._readable(view) if self._about.unreadable else view
            yield self._take(readable) if len(readable.indices) else None

    def _take(self, view: Views) -> Tensor:
        rows, size = view.indices, self.image_size
        if self._equal is not None:
            return cut_equal_windows(self._equal, rows, view.position, view.flip, size)
        height, width = self._height[rows], self._width[rows]
        images = (self._store.image(row).transpose(2, 0, 1) for row in rows.tolist())
        return cut_windows(
            images, height, width, view.position, view.flip, channels=self.channels, size=size
        )

    def _readable(self, view: Views) -> Views:
        """`view` with unreadable images replaced or left out; their names are kept."""
        unreadable, count = self._about.unreadable, len(self)
        indices = view.indices.tolist()
        rows = []
        for row in range(len(indices)):
            while indices[row] in unreadable:
                self._left_out.add(unreadable[indices[row]][0])
                if self._about.broken == "leave_out":
                    break
                indices[row] = (indices[row] + 1) % count
            else:
                rows.append(row)
        kept = torch.tensor(rows, dtype=torch.int64)
        position = None if view.position is None else view.position[kept]
        flip = None if view.flip is None else view.flip[kept]
        return Views(torch.tensor(indices, dtype=torch.int64)[kept], position, flip)


def _equal_images(store: PixelStore) -> Tensor | None:
    """The images as (N, C, T, T) if they are squares of one size and all there, else None."""
    side, count = int(store.index["height"][0]), len(store.index)
    sides = (store.index["height"] == side).all() and (store.index["width"] == side).all()
    if not (side and sides) or len(store.pixels) != count * store.channels * side * side:
        return None
    return torch.from_numpy(store.pixels).view(count, store.channels, side, side)


class SplitReader(Reader):
    """Reads images of a prepared split; where they lie in which file is its subclasses' matter."""

    about: StoredSplit

    def __len__(self) -> int:
        return self.about.images

    def __getitem__(self, request: Request) -> Answer:
        """See `Reader.__getitem__`."""
        if self._small is None:
            return super().__getitem__(request)
        indices, _, flips = request  # windows have no room to move in
        return Answer(torch.from_numpy(self._small.read(indices, flips)) if indices else None, [])

    @property
    @abstractmethod
    def _small(self) -> SmallImages | None:
        """The images as small ones, if they all are and are all there."""

    def window(self, index: int, position: Position | None) -> np.ndarray:
        """See `Reader.window`; a view of the file if the image is raw."""
        if index in self.about.unreadable:
            raise ValueError(self.about.unreadable[index][1])
        return cut(self._pixels(index), self.image_size, position)

    @abstractmethod
    def _pixels(self, index: int) -> np.ndarray:
        """Image `index`, which is readable, as uint8 (H, W, C)."""

    def name_of(self, index: int) -> str:
        """See `Reader.name_of`."""
        return self.about.name_of(index)

    def error(self, name: str, reason: str) -> DataError:
        """See `Reader.error`."""
        return self.about.error(name, reason)


@dataclass(frozen=True, eq=False)
class StoreReader(SplitReader):
    """Reads images out of a mapped store."""

    store: PixelStore
    about: StoredSplit
    channels: int
    image_size: int
    broken: Broken

    @cached_property
    def _small(self) -> SmallImages | None:  # type: ignore[override]
        store, channels = self.store, self.channels
        return SmallImages.found(
            store.pixels,
            store.index,
            place="offset",
            size=self.image_size,
            stored=channels,
            channels=channels,
            order="CHW",
        )

    def _pixels(self, index: int) -> np.ndarray:
        return self.store.image(index)


class ThreadedImages(ReaderImages):
    """An image set whose reader is fast enough for threads: it copies out of a mapped file."""

    def __init__(self, reader: Reader, about: StoredSplit) -> None:
        super().__init__(reader, name=about.name, split=about.split, description=about.description)
        self._about = about

    @property
    def fingerprint(self) -> str:
        """See `ImageSet.fingerprint`."""
        return self._about.fingerprint

    @property
    def contents(self) -> dict[str, str]:
        """See `ImageSet.contents`."""
        return {**super().contents, **self._about.origin}

    def _answers(self, requests: Iterable[Request], workers: int) -> Generator[Answer, None, None]:
        return read_ahead(self.reader.__getitem__, requests, threads=workers)


class MappedImages(ThreadedImages):
    """The images of `store`, on disk: as much of it is in memory as the system has to spare."""

    def __init__(self, store: PixelStore, about: StoredSplit) -> None:
        about.check_size(store.smallest_side)
        reader = StoreReader(store, about, about.channels, about.image_size, about.broken)
        super().__init__(reader, about)
