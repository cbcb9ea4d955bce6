"""Speed of all readers of the data benchmark, in rounds that alternate between them."""

import importlib.util
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from vqx.benchmarks.data_images import Case, Stock
from vqx.benchmarks.data_process import ReaderFailed, ReaderProcess, Stretch, Window
from vqx.benchmarks.data_readers import Reading, baseline, copy, decode, ours
from vqx.benchmarks.worker import Failure

BASELINE, DECODE, COPY = "ImageFolder, PIL", "bare decode", "bare copy"
MISSING_FFCV = "ffcv is not installed: run tools/install-ffcv.sh"


@dataclass(frozen=True, slots=True)
class Setting:
    """How to measure: `seconds` a reader a round; `cores`: processors a reader may use."""

    images: int = 384
    batch: int = 64
    workers: int = 2
    rounds: int = 5
    seconds: float = 0.5
    cores: int | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """`opener` reads `form` of a stock: files, memmap, raw or jpg.

    `floor`: the bare reader of the same; `ours`: gives uint8, so that it is measured twice.
    """

    name: str
    opener: Callable[[Reading], Any]
    form: str
    floor: str | None = None
    ours: bool = False
    foreign: bool = False


def _peer(reading: Reading) -> Any:
    from vqx.benchmarks.data_peer import peer

    return peer(reading)


READERS = {
    reader.name: reader
    for reader in (
        Reader("memory", partial(ours, loader="memory"), "memmap", COPY, ours=True),
        Reader("memmap", partial(ours, loader="memmap"), "memmap", COPY, ours=True),
        Reader("ffcv raw", partial(ours, loader="ffcv"), "raw", COPY, ours=True),
        Reader("ffcv jpg", partial(ours, loader="ffcv"), "jpg", DECODE, ours=True),
        Reader("folder", partial(ours, loader="folder"), "files", DECODE, ours=True),
        Reader(BASELINE, baseline, "files", DECODE),
        Reader("ffcv.Loader raw", _peer, "raw", COPY, foreign=True),
        Reader("ffcv.Loader jpg", _peer, "jpg", DECODE, foreign=True),
        Reader(DECODE, decode, "files"),
        Reader(COPY, copy, "window"),
    )
}


@dataclass(slots=True)
class Measured:
    """What was found of one reader of one case, a window a round.

    `floats`: of batches in [-1, 1] on the CPU (of a bare one: of what it does); `plain`: of uint8
    ones, as the trainer gets them;
    `stored`: bytes of an image as it is stored; `first`: seconds from opening to the first batch.
    """

    first: float
    stored: float
    floats: list[Window] = field(default_factory=list)
    plain: list[Window] = field(default_factory=list)

    @property
    def given(self) -> list[Window]:
        """Windows of what the reader itself gives: without the conversion, where it is uint8."""
        return self.plain or self.floats

    @property
    def speed(self) -> float:
        """Images a second, floats: median of the rounds."""
        return statistics.median(window.speed for window in self.floats)

    @property
    def plain_speed(self) -> float | None:
        """Images a second, uint8; None where the reader gives floats."""
        return statistics.median(window.speed for window in self.plain) if self.plain else None

    @property
    def processor(self) -> float:
        """Seconds of processor time an image takes, without the conversion of uint8 ones."""
        return statistics.median(window.processor / window.images for window in self.given)


Found = Measured | Failure


def ratio(over: Sequence[Window], under: Sequence[Window]) -> float:
    """Median over the rounds of the ratio of speeds within a round."""
    return statistics.median(a.speed / b.speed for a, b in zip(over, under, strict=True))


def measure(
    case: Case,
    stock: Stock,
    setting: Setting,
    names: Sequence[str],
    *,
    show: Callable[[str], None],
) -> dict[str, Found]:
    """Measure the readers `names` of `case`, each in a process of its own that stays open.

    What goes wrong with one is its Failure; the others go on.
    """
    found: dict[str, Found] = {}
    processes: dict[str, ReaderProcess] = {}
    try:
        for name in names:
            show(f"{case}: opening {name}")
            found[name] = _opened(READERS[name], case, stock, setting, processes)
        for turn in range(setting.rounds):
            show(f"{case}: round {turn + 1} of {setting.rounds}")
            for name in list(processes)[:: -1 if turn % 2 else 1]:
                _read(name, found, processes, setting)
    finally:
        for process in processes.values():
            process.close()
    return found


def _opened(
    reader: Reader,
    case: Case,
    stock: Stock,
    setting: Setting,
    processes: dict[str, ReaderProcess],
) -> Found:
    if reader.foreign and importlib.util.find_spec("ffcv") is None:
        return Failure(MISSING_FFCV)
    process = ReaderProcess(
        reader.opener, reading_of(reader, case, stock, setting), cores=setting.cores
    )
    try:
        first = process.open(floats=reader.ours)
    except ReaderFailed as error:
        return Failure(str(error))
    processes[reader.name] = process
    stored = stock.stored.get(reader.form, 3 * case.image_size**2)
    return Measured(first, stored)


def reading_of(reader: Reader, case: Case, stock: Stock, setting: Setting) -> Reading:
    """What `reader` is told to read."""
    root = stock.prepared.get(reader.form, stock.files)
    return Reading(
        root=root / "train.beton" if reader.foreign else root,
        images=stock.images,
        load_size=case.load_size,
        image_size=case.image_size,
        crop=not case.square,
        batch=setting.batch,
        workers=setting.workers,
    )


def _read(
    name: str,
    found: dict[str, Found],
    processes: dict[str, ReaderProcess],
    setting: Setting,
) -> None:
    """One round of one reader; it takes part in no more when it fails."""
    measured = found[name]
    assert isinstance(measured, Measured)
    try:
        for windows, floats in _wanted(measured, READERS[name]):
            windows.append(processes[name].read(stretch(setting, floats=floats)))
    except ReaderFailed as error:
        found[name] = Failure(str(error))
        processes.pop(name).close()


def _wanted(measured: Measured, reader: Reader) -> list[tuple[list[Window], bool]]:
    """Lists of windows of a round, and whether batches must be converted to floats for them."""
    if reader.ours:
        return [(measured.floats, True), (measured.plain, False)]
    return [(measured.floats, False)]


def stretch(setting: Setting, *, floats: bool) -> Stretch:
    """A round: long enough that the lumps in which processes answer do not count."""
    workers = max(1, setting.workers)
    return Stretch(
        setting.seconds,
        batches=6 * workers,
        workers=workers,
        skipped=2 * workers + 1,
        floats=floats,
    )


def of_baseline(found: Mapping[str, Found], name: str) -> float | None:
    """How many times as fast as the baseline, both giving floats."""
    mine, theirs = found.get(name), found.get(BASELINE)
    if isinstance(mine, Measured) and isinstance(theirs, Measured):
        return ratio(mine.floats, theirs.floats)
    return None


def of_floor(found: Mapping[str, Found], name: str) -> float | None:
    """Share of the speed of the bare decoding or copying."""
    mine, theirs = found.get(name), found.get(READERS[name].floor or "")
    if isinstance(mine, Measured) and isinstance(theirs, Measured):
        return ratio(mine.given, theirs.floats)
    return None
