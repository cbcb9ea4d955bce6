"""Writing .beton files in the order of the source, so that equal images give equal bytes."""

from pathlib import Path

import numpy as np

from vqx.data.prepared.beton import (
    ALLOCATION,
    FIELD,
    HEADER,
    IMAGE_FIELD,
    METADATA,
    PAGE_SIZE,
    VERSION,
)
from vqx.data.prepared.growing_file import GrowingFile
from vqx.data.prepared.records import stored


class BetonWriter:
    """SPLIT.beton: pages that grow image by image; `finish` writes the tables around them.

    Room for the metadata of all images of the source is kept before the first page. An image
    larger than PAGE_SIZE begins at a multiple of the next power of two, and the file's page size
    becomes the largest of these: no image crosses a page of any size up to it.
    """

    def __init__(self, folder: Path, split: str, images: int) -> None:
        self.path = folder / f"{split}.beton"
        metadata = HEADER.itemsize + FIELD.itemsize + images * METADATA.itemsize
        self.start = _up(metadata, PAGE_SIZE)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of the split."""
        return (self.path,)

    def place(self, position: int, size: int) -> int:
        """Where an image of `size` bytes begins when the file ends at `position`."""
        page = page_size(size)
        fits = position // page == (position + size - 1) // page
        return position if fits else _up(position, page)

    def finish(self, file: GrowingFile, records: np.ndarray) -> None:
        """Make the file whole, on disk, still under the name of its part."""
        images = stored(records)
        page = page_size(int(images["size"].max()))
        table = np.zeros(len(images), ALLOCATION)
        table["sample_id"] = np.arange(len(images))
        table["ptr"], table["size"] = images["offset"], images["size"]
        table_at = _up(file.position, page)
        file.append(table.tobytes(), at=table_at)
        header = np.array((VERSION, 1, page, len(images), table_at), HEADER)
        file.overwrite(header.tobytes() + _field() + _metadata(images), at=0)
        file.sync()


def page_size(largest: int) -> int:
    """The size of pages that hold an image of `largest` bytes."""
    return max(PAGE_SIZE, 1 << (largest - 1).bit_length())


def _up(position: int, page: int) -> int:
    return -(-position // page) * page


def _field() -> bytes:
    field = np.zeros((), FIELD)
    field["type_id"] = IMAGE_FIELD
    field["name"][:5] = np.frombuffer(b"image", np.uint8)
    return field.tobytes()


def _metadata(images: np.ndarray) -> bytes:
    metadata = np.zeros(len(images), METADATA)
    for name in ("mode", "width", "height"):
        metadata["image"][name] = images[name]
    metadata["image"]["data_ptr"] = images["offset"]
    return metadata.tobytes()
