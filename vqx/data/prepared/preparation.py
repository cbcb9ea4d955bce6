"""Preparing a folder: every image of every split decoded, resized and stored, once.

The bytes depend on the sources and the settings alone: not on the number of workers, nor on how
often the preparation was ended and begun again.
"""

import os
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import PIL

import vqx
from vqx.data.listing import printable
from vqx.data.prepared.encoding import Encoder
from vqx.data.prepared.folder_lock import LOCK, FolderLock
from vqx.data.prepared.growing_file import sync_folder
from vqx.data.prepared.identity import Identity, already_prepared, differences, identity_of
from vqx.data.prepared.journal import JOURNAL, Journal
from vqx.data.prepared.manifest import Manifest, Storage
from vqx.data.prepared.reports import Reports
from vqx.data.prepared.space import check_space, failed_writes_are_errors
from vqx.data.prepared.split_writer import SplitWriter
from vqx.data.prepared.worker_pool import WorkerLost, usable_cores
from vqx.data.recipe import Recipe
from vqx.data.sources import ImageSource
from vqx.errors import DataError


def prepare_images(
    sources: Mapping[str, ImageSource],
    folder: Path,
    *,
    recipe: Recipe,
    storage: Storage,
    broken: Literal["stop", "skip"] = "stop",
    workers: int | None = None,
    show_progress: bool = True,
    validation_fraction: float | None = None,
) -> Manifest:
    """Prepare `sources` (by split) in `folder`, or go on where an earlier preparation ended.

    `workers`: processes that decode (null: one for each core); 0: this one. `validation_fraction`:
    for the manifest. A folder that is prepared so already is left as it is. Raises DataError for
    one prepared otherwise, an unreadable image (`broken` = stop), a full disk, a worker that died,
    and another preparation in `folder`.
    """
    identity = identity_of(sources, recipe, storage)
    done = already_prepared(folder, identity)
    if done is not None and not _leftovers(folder):
        return done
    encoders = [Encoder(source, recipe, storage) for source in sources.values()]
    workers = usable_cores() if workers is None else workers
    with failed_writes_are_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with FolderLock(folder):
            if (done := already_prepared(folder, identity)) is not None:
                _tidy(folder)
                return done
            with closing(Journal(folder, identity)) as journal:
                splits = [SplitWriter(folder, one, journal, broken == "skip") for one in encoders]
                preparation = _Preparation(folder, identity, journal, splits, validation_fraction)
                return preparation.run(workers=workers, show=show_progress)


@dataclass(frozen=True, slots=True)
class _Preparation:
    folder: Path
    identity: Identity
    journal: Journal
    splits: list[SplitWriter]
    validation_fraction: float | None

    def run(self, *, workers: int, show: bool) -> Manifest:
        for split in self.splits:
            split.restore()
        if not self.journal.progress:
            for path in _parts(self.folder):  # of an earlier, other one, whatever its format
                path.unlink()
        done = sum(split.done for split in self.splits)
        total = sum(len(split.encoder.source) for split in self.splits)
        with Reports(done=done, total=total, show=show) as reports:
            self._say_what_is_there(reports, done)
            todo = [(split.encoder, split.done) for split in self.splits]
            check_space(self.folder, todo, workers=workers)
            began = time.monotonic()
            for split in self.splits:
                reports.split(split.split)
                _write(split, reports, workers)
            return self._finish(seconds=time.monotonic() - began, images=total - done)

    def _say_what_is_there(self, reports: Reports, done: int) -> None:
        if self.journal.other is not None:
            found = "; ".join(differences(self.journal.other, self.identity))
            reports.say(
                f"the unfinished preparation in {self.folder} was another ({found}): begun anew"
            )
        elif done:
            reports.say(f"going on with {self.folder} after {done:,} images")

    def _finish(self, *, seconds: float, images: int) -> Manifest:
        fingerprints = self.identity["sources"]
        first = self.splits[0].encoder
        manifest = Manifest(
            source=printable(os.path.commonpath(one.encoder.source.root for one in self.splits)),
            recipe=first.recipe.to_dict(),
            storage=first.storage,
            splits={
                one.split: one.summary(fingerprints[one.split]["fingerprint"])
                for one in self.splits
            },
            made=_made(seconds, images),
            validation_fraction=self.validation_fraction,
        )
        for split in self.splits:
            split.name_files()
        sync_folder(self.folder)
        manifest.write(self.folder)
        sync_folder(self.folder)
        _tidy(self.folder)
        return manifest


def _parts(folder: Path) -> list[Path]:
    """What is only there while a preparation goes on, but its journal and lock."""
    splits = ("train", "validation", "test")
    return [path for split in splits for path in folder.glob(f"{split}.*.part")]


def _leftovers(folder: Path) -> bool:
    """Whether a preparation ended between writing the manifest and removing what it needed."""
    return any((folder / name).exists() for name in (JOURNAL, LOCK)) or bool(_parts(folder))


def _tidy(folder: Path) -> None:
    """Remove all that a finished folder does not need; its lock is held."""
    for path in _parts(folder):
        path.unlink()
    (folder / JOURNAL).unlink(missing_ok=True)


def _made(seconds: float, images: int) -> dict[str, Any]:
    return {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "vqx": vqx.__version__,
        "pillow": PIL.__version__,
        "last_seconds": round(seconds, 2),
        "last_images": images,  # of the last start alone, as the seconds are
    }


def _write(split: SplitWriter, reports: Reports, workers: int) -> None:
    try:
        split.write(reports, workers=workers)
    except WorkerLost as lost:
        names = [printable(split.encoder.source.names[index]) for index in lost.indices]
        raise DataError(
            f"a worker process was {lost.why} at {split.split} images {lost.indices.start}.."
            f"{lost.indices.stop - 1} ({names[0]} .. {names[-1]}): free memory, give fewer "
            "workers=, or remove an image that ends it each time; the same command goes on from "
            "there"
        ) from None
