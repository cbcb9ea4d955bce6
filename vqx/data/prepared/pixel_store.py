"""All pixels of a split as one run of bytes, on disk or in memory.

Axes: N images, C channels, H W pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vqx.data.prepared.beton_file import BetonFile
from vqx.data.prepared.memmap import INDEX, index_name, pixels_name
from vqx.data.reading_ahead import read_ahead
from vqx.errors import DataError


@dataclass(frozen=True, eq=False)
class PixelStore:
    """Images of any sizes: `pixels` (bytes,) uint8 holds each as (C, H, W), `index` (N,) INDEX."""

    pixels: np.ndarray
    index: np.ndarray
    channels: int

    @property
    def smallest_side(self) -> int:
        """Pixels, of the images that are stored."""
        stored = self.index[self.index["height"] > 0]
        return int(min(stored["height"].min(), stored["width"].min())) if len(stored) else 0

    def image(self, index: int) -> np.ndarray:
        """A view of image `index`, uint8 (H, W, C)."""
        entry = self.index[index]
        start, height, width = int(entry["offset"]), int(entry["height"]), int(entry["width"])
        stop = start + self.channels * height * width
        return self.pixels[start:stop].reshape(self.channels, height, width).transpose(1, 2, 0)


def open_store(folder: Path, split: str, *, channels: int, in_memory: bool) -> PixelStore:
    """The store of `split` in a prepared folder, mapped or read. Raises DataError if damaged."""
    path = folder / pixels_name(split)
    try:
        index = np.load(folder / index_name(split), allow_pickle=False)
        if index.dtype != INDEX or index.ndim != 1:
            raise ValueError("its index is of another kind")
        wanted = index["height"].astype(np.int64) * index["width"] * channels
        if (index["offset"].astype(np.int64) + wanted > path.stat().st_size).any():
            raise ValueError("it is shorter than its index says")
        if in_memory:
            pixels = np.fromfile(path, np.uint8)
        else:
            pixels = np.asarray(np.memmap(path, np.uint8, "r"))  # whose slices cost less
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read ({error}): prepare the data again") from error
    return PixelStore(pixels, index, channels)


def store_of(
    file: BetonFile, samples: np.ndarray | None, *, channels: int, threads: int
) -> PixelStore:
    """The raw images of a .beton file, read into memory; `samples` as of `StoredSplit`."""
    height, width = (file.samples[side].astype(np.int64) for side in ("height", "width"))
    sizes = channels * height * width
    index = np.zeros(len(file), INDEX)
    index["offset"], index["height"], index["width"] = np.cumsum(sizes) - sizes, height, width
    store = PixelStore(np.empty(int(sizes.sum()), np.uint8), index, channels)

    def copy(sample: int) -> None:
        store.image(sample)[:] = file.pixels(sample)[:, :, :channels]

    for _ in read_ahead(copy, range(len(file)), threads=threads):
        pass
    if samples is None:
        return store
    whole = np.where(samples >= 0, index[samples], np.zeros((), INDEX))
    return PixelStore(store.pixels, whole, channels)
