"""Opening a .beton file, by whomever written: its images, found and checked.

Axes: N samples, H W pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vqx.data.prepared.beton import (
    ALLOCATION,
    FIELD,
    HEADER,
    IMAGE,
    IMAGE_FIELD,
    JPG,
    RAW,
    VERSION,
)
from vqx.data.prepared.jpeg import JpegDecoder
from vqx.errors import DataError

_REMEDY = "prepare the data again"
_POINTER = np.dtype([("ptr", "<u8"), ("size", "<u8")])
# Bytes that one sample of a field has in the metadata, by the field's type_id: float, int, image,
# bytes, array, JSON, tensor.
_METADATA = {0: "<f8", 1: "<i8", 2: IMAGE, 3: _POINTER, 4: "<u8", 5: _POINTER, 6: "<u8"}


@dataclass(frozen=True, eq=False)
class BetonFile:
    """The images of a .beton file.

    `content`: the file (bytes,) uint8, mapped; `samples` (N,) IMAGE; `sizes` (N,) bytes of each;
    `decoder`: None if all are raw.
    """

    path: Path
    content: np.ndarray
    samples: np.ndarray
    sizes: np.ndarray
    decoder: JpegDecoder | None

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def stored_bytes(self) -> int:
        """Of all images, as they are in the file."""
        return int(self.sizes.sum())

    @property
    def pixel_bytes(self) -> int:
        """Of all images, raw."""
        sides = self.samples["height"].astype(np.int64) * self.samples["width"]
        return int(sides.sum()) * 3

    @property
    def smallest_side(self) -> int:
        """Pixels."""
        return int(min(self.samples["height"].min(), self.samples["width"].min()))

    def pixels(self, sample: int) -> np.ndarray:
        """uint8 (H, W, 3): of a raw image a view of the file. Raises ValueError if damaged."""
        entry = self.samples[sample]
        height, width, start = int(entry["height"]), int(entry["width"]), int(entry["data_ptr"])
        encoded = self.content[start : start + int(self.sizes[sample])]
        if self.decoder is None or entry["mode"] == RAW:
            return encoded.reshape(height, width, 3)
        return self.decoder.decode(encoded, height=height, width=width)


def open_beton(path: Path) -> BetonFile:
    """The images of the .beton file `path`. Raises DataError if it is none, or damaged."""
    try:
        content = np.asarray(np.memmap(path, np.uint8, "r"))  # whose slices cost less
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}): {_REMEDY}") from error
    try:
        samples, sizes = _images(content)
    except ValueError as error:
        raise DataError(f"{path} is no whole .beton file ({error}): {_REMEDY}") from error
    decoder = JpegDecoder() if (samples["mode"] == JPG).any() else None
    return BetonFile(path, content, samples, sizes, decoder)


def _images(content: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(samples, sizes) of `BetonFile`. Raises ValueError saying what is wrong."""
    (header,) = _read(content, 0, HEADER, 1, "header")
    if header["version"] != VERSION:
        raise ValueError(f"version {header['version']}, not {VERSION}")
    fields = _read(content, HEADER.itemsize, FIELD, int(header["num_fields"]), "field descriptors")
    unknown = sorted(set(fields["type_id"].tolist()) - _METADATA.keys())
    if unknown:
        raise ValueError(f"a field of the unknown type {unknown[0]}")
    if IMAGE_FIELD not in fields["type_id"]:
        raise ValueError("no field of images")
    kinds = [(f"field{i}", _METADATA[kind]) for i, kind in enumerate(fields["type_id"].tolist())]
    row = np.dtype(kinds, align=True)
    start, count = HEADER.itemsize + fields.nbytes, int(header["num_samples"])
    metadata = _read(content, start, row, count, "metadata")
    if not count:
        raise ValueError("no images")
    samples = metadata[f"field{fields['type_id'].tolist().index(IMAGE_FIELD)}"].copy()
    end = int(header["alloc_table_ptr"])
    sizes = _sizes(samples, _allocations(content, end))
    _check(samples, sizes, first=start + metadata.nbytes, end=end)
    return samples, sizes


def _read(content: np.ndarray, start: int, kind: np.dtype, count: int, what: str) -> np.ndarray:
    stop = start + kind.itemsize * count
    if stop > len(content):
        raise ValueError(f"it ends within its {what}")
    return content[start:stop].view(kind)


def _allocations(content: np.ndarray, start: int) -> np.ndarray:
    """The allocation table, sorted by place."""
    rest = len(content) - start
    # 0: its writer had not come to the end.
    if start == 0 or rest < 0 or rest % ALLOCATION.itemsize:
        raise ValueError("it has no end: its writer was ended, or it was cut off")
    table = _read(content, start, ALLOCATION, rest // ALLOCATION.itemsize, "allocation table")
    return table[np.argsort(table["ptr"], kind="stable")]


def _sizes(samples: np.ndarray, allocations: np.ndarray) -> np.ndarray:
    """Bytes (N,) int64 of each of `samples`."""
    found = np.searchsorted(allocations["ptr"], samples["data_ptr"])
    found = np.minimum(found, len(allocations) - 1) if len(allocations) else found * 0
    if not len(allocations) or (allocations["ptr"][found] != samples["data_ptr"]).any():
        raise ValueError("images that its allocation table does not know")
    return allocations["size"][found].astype(np.int64)


def _check(samples: np.ndarray, sizes: np.ndarray, *, first: int, end: int) -> None:
    """Raise ValueError unless every image lies in the bytes [first, end) and has its size."""
    places = samples["data_ptr"].astype(np.int64)
    if (places < first).any() or (places + sizes > end).any():
        raise ValueError("images beyond the end of its pages")
    known = (samples["mode"] == RAW) | (samples["mode"] == JPG)
    if not known.all():
        raise ValueError(f"an image of the unknown mode {samples['mode'][~known][0]}")
    raw = samples["height"].astype(np.int64) * samples["width"] * 3
    if ((raw == 0) | ((samples["mode"] == RAW) & (raw != sizes))).any():
        raise ValueError("images whose size is not that of their pixels")
