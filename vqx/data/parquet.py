"""Hugging Face's parquet folders: encoded images in a column of struct<bytes, path>.

Row groups are read whole, so that reading in order is cheap and reading at random is not: prepare
such a folder before training from it.
"""

import io
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vqx.data.names import Names
from vqx.data.sources import ImageSource, fingerprint_of
from vqx.errors import DataError

PARQUET = (
    "expected train-00000-of-00005.parquet, validation-... or test-..., here or in data/, with a "
    "column image of struct<bytes, path>"
)
KEPT_GROUPS = 2  # decoded row groups that a process keeps
MOST_TOGETHER = 32  # of a row group, that one process reads: its answers are held in memory
_SPLITS = {"train": "train", "validation": "validation", "valid": "validation", "val": "validation"}
_SPLITS |= {"dev": "validation", "test": "test"}


def find_parquet(root: Path, classes: Path | None) -> dict[str, ImageSource]:
    """The splits of a folder of parquet files, by how the files' names begin."""
    del classes
    files: dict[str, list[Path]] = {"train": [], "validation": [], "test": []}
    for path in sorted(root.glob("data/*.parquet")) or sorted(root.glob("*.parquet")):
        split = _SPLITS.get(re.split(r"[-_.]", path.name)[0].lower())
        if split is not None:
            files[split].append(path)
    return {split: open_files(root, paths, split) for split, paths in files.items() if paths}


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Where the images from `first` on are: row group `group` of `file`; `bytes` of its column."""

    file: Path
    group: int
    first: int
    rows: int
    bytes: int


def open_files(root: Path, paths: Sequence[Path], split: str) -> "ParquetSource":
    """The images in the parquet files `paths`, in order. Reads their footers alone."""
    groups: list[RowGroup] = []
    column, first = "", 0
    for path in paths:
        with _open(path) as parquet:
            column = _image_column(parquet, path)
            footer = parquet.metadata
        for group in range(footer.num_row_groups):
            part = footer.row_group(group)
            stored = [part.column(i) for i in range(part.num_columns)]
            size = sum(
                c.total_compressed_size for c in stored if c.path_in_schema == f"{column}.bytes"
            )
            groups.append(RowGroup(path, group, first, part.num_rows, size))
            first += part.num_rows
    if not first:
        raise DataError(f"{paths[0]} holds no images: {PARQUET}")
    return ParquetSource(root, split, column, tuple(groups))


def _open(path: Path) -> Any:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise DataError(
            "layout=parquet needs pyarrow, which is not installed: pip install 'vqx[parquet]'"
        ) from error
    try:
        return ParquetFile(path)
    except (OSError, ArrowException) as error:
        raise DataError(f"{path} cannot be read ({error}): download it again") from error


def _image_column(parquet: Any, path: Path) -> str:
    """The column called image, or the only one that holds encoded images."""
    found = [c.name for c in parquet.schema_arrow if _holds_images(c.type)]
    chosen = "image" if "image" in found else found[0] if len(found) == 1 else None
    if chosen is None:
        raise DataError(f"{path} has {len(found) or 'no'} columns of images: {PARQUET}")
    return chosen


def _holds_images(kind: Any) -> bool:
    return str(kind).startswith("struct<") and any(
        kind.field(i).name == "bytes" for i in range(kind.num_fields)
    )


@dataclass(frozen=True)
class ParquetSource(ImageSource):
    """Images in column `column` of parquet files, a row each. Names are FILE:ROW of the file."""

    root: Path
    split: str
    column: str
    groups: tuple[RowGroup, ...]
    names: Sequence[str] = field(init=False, repr=False)
    together: int = field(init=False, repr=False)
    _firsts: np.ndarray = field(init=False, repr=False, compare=False)
    _kept: OrderedDict[int, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = []
        begin = {g.file: g.first for g in reversed(self.groups)}
        for group in self.groups:
            row = group.first - begin[group.file]
            names += [f"{group.file.name}:{row + i}" for i in range(group.rows)]
        object.__setattr__(self, "names", Names(names))
        rows = min(MOST_TOGETHER, max(group.rows for group in self.groups))
        object.__setattr__(self, "together", rows)
        object.__setattr__(self, "_firsts", np.array([group.first for group in self.groups]))
        object.__setattr__(self, "_kept", OrderedDict())

    def __reduce__(self) -> tuple[Any, ...]:
        # Names and decoded row groups are made anew in the process that gets it.
        return ParquetSource, (self.root, self.split, self.column, self.groups)

    def open(self, index: int) -> BinaryIO:
        """See `ImageSource.open`."""
        place = int(np.searchsorted(self._firsts, index, side="right")) - 1
        content = self._group(place)[index - self.groups[place].first].as_py()
        if content is None:
            raise OSError("the row holds no image")
        return io.BytesIO(content)

    def _group(self, place: int) -> Any:
        """The encoded images of a row group; the KEPT_GROUPS used last stay decoded."""
        if place in self._kept:
            self._kept.move_to_end(place)
            return self._kept[place]
        group = self.groups[place]
        with _open(group.file) as parquet:
            # Threads of its own would not survive a fork into workers.
            table = parquet.read_row_group(
                group.group, columns=[f"{self.column}.bytes"], use_threads=False
            )
        while len(self._kept) >= KEPT_GROUPS:
            self._kept.popitem(last=False)
        self._kept[place] = table.column(0).combine_chunks().field("bytes")
        return self._kept[place]

    def sizes(self) -> list[int]:
        """Bytes of each image: about its row group's mean, as the footer has no more."""
        return [g.bytes // max(g.rows, 1) for g in self.groups for _ in range(g.rows)]

    def fingerprint(self) -> str:
        """See `ImageSource.fingerprint`."""
        files = {group.file: None for group in self.groups}
        states = [(path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        return fingerprint_of([path.name for path in files], states)
