"""Figures of the data benchmark as a table and as lines of a CSV file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vqx.benchmarks.data_images import Case, Stock
from vqx.benchmarks.data_measuring import (
    BASELINE,
    COPY,
    DECODE,
    READERS,
    Found,
    of_baseline,
    of_floor,
)
from vqx.benchmarks.worker import Failure
from vqx.reporting.cells import Cell, Table
from vqx.reporting.notes import Note

ABSENT = "-"
HEADER = (
    "images, loader",
    "images/s",
    "x baseline",
    "uint8/s",
    "% of bare",
    "CPU ms/image",
    "kB/image",
    "MB/s",
    "first batch s",
    "note",
)
# How many times as fast as the baseline a loader is to be, by case.
WANTED = {
    ("32", "memory"): 20.0,
    ("256-128", "ffcv raw"): 3.5,
    ("256-128", "ffcv jpg"): 1.8,
    ("256-256", "ffcv jpg"): 1.8,
    ("32", "folder"): 1.3,
    ("256-128", "folder"): 1.3,
    ("256-256", "folder"): 1.3,
}
_LEGEND = (
    ("images/s", "shuffled, cropped at random, mirrored, as float32 in [-1, 1] on the CPU: ours "
     "make uint8, whose conversion in the main process (one thread, one buffer) is counted here so "
     "that all end alike. Median of the rounds; all files are in the page cache"),
    ("x baseline", f"median of ratios within a round to {BASELINE}: torchvision's ImageFolder, "
     "RandomCrop (not at 32 px), RandomHorizontalFlip, ToTensor, Normalize in a DataLoader with as "
     "many workers; behind it what is wanted"),
    ("uint8/s", "without that conversion: what the trainer gets, which converts on its device"),
    ("% of bare", f"of {DECODE} (the same files, from memory, in as many processes, libjpeg-turbo "
     f"or libpng, pixels dropped) or of {COPY} (windows gathered by one thread into one buffer); "
     "ours before the conversion. More than 100 for jpg: other files or fewer pixels are decoded"),
    ("CPU ms", "processor time an image of all threads and processes, ours before the conversion"),
    ("MB/s", "stored bytes of the images shown a second"),
    ("first batch", "once, from opening to the first floats, imports apart; ffcv.Loader compiles"),
)  # fmt: skip


@dataclass(slots=True)
class Results:
    """Figures by case, in order; `waiting`: by loader, what vqx.benchmarks.data_gpu has found."""

    cases: dict[Case, dict[str, Found]] = field(default_factory=dict)
    stocks: dict[Case, Stock] = field(default_factory=dict)
    waiting: dict[str, Any] = field(default_factory=dict)

    def table(self, caption: str) -> Table:
        """All of it as a table."""
        rows = tuple(
            _row(case, name, found)
            for case, found in self.cases.items()
            for name in READERS
            if name in found
        )
        marks = [cell.mark for row in rows for cell in row]
        wanted, missed = sum("(" in mark for mark in marks), sum("MISS" in mark for mark in marks)
        notes = [Note(about, text) for about, text in _LEGEND]
        notes += [Note(str(case), _stock_text(stock)) for case, stock in self.stocks.items()]
        if not self.waiting:
            notes.append(Note("waiting", "how long a GPU waits for data: no GPU, not measured"))
        if wanted:
            notes.append(Note("wanted", f"{missed} of {wanted} figures missed"))
        return Table(caption, HEADER, rows, tuple(notes))

    def lines(self) -> list[dict[str, object]]:
        """All of it with all digits, a mapping a row."""
        return [
            _line(case, name, found)
            for case, found in self.cases.items()
            for name in READERS
            if name in found
        ]


def _row(case: Case, name: str, found: Mapping[str, Found]) -> tuple[Cell, ...]:
    label, measured = f"{case}, {name}", found[name]
    if isinstance(measured, Failure):
        return Cell(label), *[Cell(ABSENT)] * (len(HEADER) - 2), Cell(measured.reason)
    faster, share = of_baseline(found, name), of_floor(found, name)
    plain = measured.plain_speed
    return (
        Cell(label),
        Cell(_number(measured.speed)),
        _wanted(faster, WANTED.get((case.name, name))),
        Cell(ABSENT if plain is None else _number(plain)),
        Cell(ABSENT if share is None else _number(100 * share)),
        Cell(_number(1e3 * measured.processor)),
        Cell(_number(measured.stored / 1e3)),
        Cell(_number(measured.stored * measured.speed / 1e6)),
        Cell(f"{measured.first:.2f}"),
        Cell(""),
    )


def _wanted(value: float | None, wanted: float | None) -> Cell:
    """A ratio, with what is wanted of it behind."""
    if value is None:
        return Cell(ABSENT)
    mark = "" if wanted is None else f" (≥ {wanted:g}){' MISS' if value < wanted else ''}"
    return Cell(_number(value), mark=mark)


def _number(value: float) -> str:
    return f"{value:,.3g}" if value < 100 else f"{value:,.0f}"


def _stock_text(stock: Stock) -> str:
    pieces = [
        f"{name} in {seconds:.1f} s ({stock.images / seconds:,.0f} images/s)"
        for name, seconds in stock.seconds.items()
    ]
    return f"{stock.images:,} images; prepared as {', '.join(pieces)}"


def _line(case: Case, name: str, found: Mapping[str, Found]) -> dict[str, object]:
    names: dict[str, object] = {"case": case.name, "loader": name}
    measured = found[name]
    if isinstance(measured, Failure):
        return {**names, "note": measured.reason}
    return {
        **names,
        "images_per_second": measured.speed,
        "of_baseline": of_baseline(found, name),
        "uint8_per_second": measured.plain_speed,
        "of_bare": of_floor(found, name),
        "cpu_seconds_per_image": measured.processor,
        "stored_bytes_per_image": measured.stored,
        "first_batch_seconds": measured.first,
        "rounds": len(measured.floats),
        "note": "",
    }
