"""One split of a preparation: from its journal's last line to its whole files."""

import hashlib
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np

from vqx.data.listing import printable
from vqx.data.prepared.beton import JPG
from vqx.data.prepared.beton_writer import BetonWriter
from vqx.data.prepared.encoding import UNREADABLE, Encoded, Encoder
from vqx.data.prepared.growing_file import GrowingFile, length, part_of
from vqx.data.prepared.journal import Journal
from vqx.data.prepared.manifest import PreparedSplit, Unreadable
from vqx.data.prepared.memmap_writer import MemmapWriter
from vqx.data.prepared.records import RECORD, record_of, stored
from vqx.data.prepared.reports import Reports
from vqx.data.prepared.worker_pool import CHUNK, in_order
from vqx.errors import DataError

CHECKPOINT_IMAGES = 512  # at most so many are prepared again after a kill -9


@dataclass(slots=True)
class SplitWriter:
    """Stores the images that `encoder` gives in `folder`, and notes in `journal` how far it is.

    `forgiving`: an unreadable image is noted and left out; else it is a DataError.
    """

    folder: Path
    encoder: Encoder
    journal: Journal
    forgiving: bool
    writer: BetonWriter | MemmapWriter = field(init=False)

    def __post_init__(self) -> None:
        kind = BetonWriter if self.encoder.storage.format == "ffcv" else MemmapWriter
        self.writer = kind(self.folder, self.split, len(self.encoder.source))

    @property
    def split(self) -> str:
        """train, validation or test."""
        return self.encoder.source.split

    @property
    def records_path(self) -> Path:
        """Where the records are until the whole preparation is finished."""
        return part_of(self.folder / f"{self.split}.records")

    @property
    def done(self) -> int:
        """Images that need not be prepared again."""
        return self.journal.of(self.split).images

    @property
    def is_named(self) -> bool:
        """Whether the files are whole and have their names."""
        whole = self.done == len(self.encoder.source)
        return whole and self.writer.path.exists() and not part_of(self.writer.path).exists()

    def restore(self) -> None:
        """Begin anew what the journal tells of and the disk has not.

        Raises DataError for files that no preparation wrote, and for an unreadable image noted by
        an earlier, forgiving one.
        """
        whole = self.done == len(self.encoder.source)
        for path in self.writer.paths:
            ours = self.is_named if path == self.writer.path else whole
            if path.exists() and not ours:
                raise DataError(
                    f"{path} is there, and no preparation going on wrote it: choose another folder"
                )
        progress = self.journal.of(self.split)
        grown = self.is_named or length(part_of(self.writer.path)) >= progress.position
        noted = length(self.records_path) >= progress.images * RECORD.itemsize
        if not (grown and noted):
            self.journal.forget(self.split)
        elif progress.unreadable and not self.forgiving:
            self._stop(progress.unreadable[0])

    def write(self, reports: Reports, *, workers: int) -> None:
        """Store what is not stored yet, and make the files whole. Raises WorkerLost, DataError."""
        if self.is_named:
            return
        progress = self.journal.of(self.split)
        begin = progress.position if progress.images else self.writer.start
        noted = progress.images * RECORD.itemsize
        with GrowingFile(self.writer.path, begin) as file:
            with GrowingFile(self.folder / f"{self.split}.records", noted) as records:
                rest = range(progress.images, len(self.encoder.source))
                chunk = max(CHUNK, self.encoder.source.together)
                answers = in_order(self.encoder, rest, workers=workers, chunk=chunk)
                with closing(answers) as images:
                    self._fill(images, file, records, reports)
            self.writer.finish(file, self._records())

    def _fill(
        self,
        images: Iterator[Encoded],
        file: GrowingFile,
        records: GrowingFile,
        reports: Reports,
    ) -> None:
        waiting: list[_Stored] = []
        try:
            for index, image in enumerate(images, start=self.done):
                left_out = self._left_out(index, image)
                begin = self.writer.place(file.position, len(image.content))
                if image.content:
                    file.append(image.content, at=begin)
                # One step, and taken out before the checkpoint: a signal anywhere between cannot
                # have an image counted twice, or half.
                waiting.append(_Stored(record_of(image, begin), file.position, left_out))
                reports.count()
                if len(waiting) >= CHECKPOINT_IMAGES:
                    full, waiting = waiting, []
                    self._checkpoint(full, file, records)
        except BaseException:
            with suppress(OSError):  # as much as a full disk takes
                self._checkpoint(waiting, file, records)
            raise
        self._checkpoint(waiting, file, records)

    def _left_out(self, index: int, image: Encoded) -> Unreadable | None:
        """What is noted of an image that is not stored; None for one that is."""
        if image.mode != UNREADABLE:
            return None
        noted = Unreadable(index, printable(self.encoder.source.names[index]), image.reason)
        if image.refused:
            raise DataError(
                f"image {printable(str(self.encoder.source.root))}/{noted.name} could not be "
                f"opened ({noted.reason}), which says nothing about the image: mend that; the same "
                "command goes on from there"
            )
        if not self.forgiving:
            self._stop(noted)
        return noted

    def _checkpoint(self, stored: "list[_Stored]", file: GrowingFile, records: GrowingFile) -> None:
        if not stored:
            return
        file.sync()
        records.append(np.stack([one.record for one in stored]).tobytes())
        records.sync()
        self.journal.checkpoint(
            self.split,
            images=self.done + len(stored),
            position=stored[-1].position,
            unreadable=[one.left_out for one in stored if one.left_out is not None],
        )

    def name_files(self) -> None:
        """Give the whole files their names, the one that `is_named` looks at last."""
        for path in reversed(self.writer.paths):
            if part_of(path).exists():
                part_of(path).replace(path)

    def _records(self) -> np.ndarray:
        """RECORD (N,) of all images. Raises DataError if none is stored."""
        records = np.fromfile(self.records_path, RECORD)
        if not len(stored(records)):
            first = self.journal.of(self.split).unreadable[0]
            raise DataError(
                f"no {self.split} image in {printable(str(self.encoder.source.root))} can be read, "
                f"for example {first.name} ({first.reason})"
            )
        return records

    def summary(self, fingerprint: str) -> PreparedSplit:
        """The split as the manifest has it."""
        records = self._records()
        images = stored(records)
        return PreparedSplit(
            file=self.writer.path.name,
            images=len(records),
            unreadable=tuple(self.journal.of(self.split).unreadable),
            stored_bytes=int(images["size"].sum()),
            jpg=int((images["mode"] == JPG).sum()),
            short_side=_spread(np.minimum(images["height"], images["width"])),
            long_side=_spread(np.maximum(images["height"], images["width"])),
            source_sha256=self._hash(records),
            source_fingerprint=fingerprint,
            names_sha256=self.encoder.source.names_sha256,
        )

    def _hash(self, records: np.ndarray) -> str:
        digest = hashlib.sha256()
        for name, one in zip(self.encoder.source.names, records["sha256"], strict=True):
            digest.update(name.encode("utf-8", "surrogateescape") + b"\0" + one.tobytes())
        return digest.hexdigest()

    def _stop(self, image: Unreadable) -> NoReturn:
        raise DataError(
            f"image {printable(str(self.encoder.source.root))}/{image.name} cannot be read "
            f"({image.reason}): repair or remove it, or set data.broken=skip to leave out such ones"
        )


@dataclass(frozen=True, slots=True)
class _Stored:
    """An image since the last checkpoint: its record, and how long the file is after it."""

    record: np.ndarray
    position: int
    left_out: Unreadable | None


def _spread(sides: np.ndarray) -> tuple[int, int, int]:
    ordered = np.sort(sides)
    return int(ordered[0]), int(ordered[len(ordered) // 2]), int(ordered[-1])
