"""Writing the memmap format: images one after another as they come, the index at the end."""

import io
from pathlib import Path

import numpy as np

from vqx.data.prepared.growing_file import GrowingFile
from vqx.data.prepared.memmap import INDEX, index_name, pixels_name


class MemmapWriter:
    """SPLIT.pixels grows image by image; `finish` writes SPLIT.index.npy from all records."""

    def __init__(self, folder: Path, split: str, images: int) -> None:
        self.path = folder / pixels_name(split)
        self.index_path = folder / index_name(split)
        self.start = 0

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files of the split."""
        return self.path, self.index_path

    def place(self, position: int, size: int) -> int:
        """Where an image of `size` bytes begins when the file ends at `position`."""
        return position

    def finish(self, file: GrowingFile, records: np.ndarray) -> None:
        """Make the files whole, on disk, still under the names of their parts."""
        index = np.zeros(len(records), INDEX)
        for field in ("height", "width"):
            index[field] = records[field]
        # Of an unreadable image: where the next one begins.
        index["offset"] = records["offset"]
        content = io.BytesIO()
        np.save(content, index)
        with GrowingFile(self.index_path) as index_file:
            index_file.append(content.getvalue())
            index_file.sync()
        file.sync()
