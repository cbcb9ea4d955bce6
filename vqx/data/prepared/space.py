"""Whether the disk has room for a preparation, before it begins and when it has not."""

import errno
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from vqx.data.prepared.encoding import UNREADABLE, Encoded, Encoder
from vqx.data.prepared.worker_pool import WorkerLost, in_order
from vqx.errors import DataError, NoRoom

_SAMPLE = 16
_TABLES = 128  # bytes an image, of the file's tables and of what is kept until the end
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check_space(folder: Path, splits: Iterable[tuple[Encoder, int]], *, workers: int) -> None:
    """Raise NoRoom if `folder` has too little room for what is to be stored yet.

    `splits`: each with how many of its images are there. The size is estimated: some images of
    each split, evenly spaced, are encoded.
    """
    needed = sum(estimate(encoder, done, workers=workers) for encoder, done in splits)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise NoRoom(
            f"{folder} has {free:,} bytes free, and this preparation needs about {needed:,}: free "
            "space, choose a folder on a larger disk, a smaller max_resolution, or mode=jpg"
        )


def estimate(encoder: Encoder, done: int, *, workers: int) -> int:
    """Bytes for the images of a split from index `done` on, from a sample encoded by `workers`."""
    left = len(encoder.source) - done
    sample = _Sample(encoder, sorted({done + left * place // _SAMPLE for place in range(_SAMPLE)}))
    sizes = []
    # What ends a worker here will end it again where it is reported.
    with (
        suppress(WorkerLost),
        closing(in_order(sample, range(min(left, len(sample.indices))), workers=workers)) as images,
    ):
        sizes += [len(one.content) for one in images if one.mode != UNREADABLE]
    return int(left * (_TABLES + sum(sizes) / max(1, len(sizes))))


@dataclass(frozen=True, slots=True)
class _Sample:
    encoder: Encoder
    indices: list[int]

    def __call__(self, place: int) -> Encoded:
        return self.encoder(self.indices[place])


@contextmanager
def failed_writes_are_errors(folder: Path) -> Iterator[None]:
    """Turn what the system refuses in the block into a DataError with the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            problem, remedy = "disk full while writing", "free space"
        else:
            problem, remedy = "cannot write", "mend that"
        raise DataError(
            f"{problem} {folder} ({error.strerror}): {remedy} and run the same command again, "
            "what is prepared so far is kept"
        ) from error
