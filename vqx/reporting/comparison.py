"""Rows beside a baseline, paired by seed and by image: differences with their intervals."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vqx.errors import ConfigError
from vqx.reporting.cells import Cell, Table
from vqx.reporting.columns import ABSENT, Column
from vqx.reporting.frame import Row, seed_of
from vqx.reporting.notes import Note
from vqx.reporting.per_image import PerImage, read_per_image
from vqx.reporting.stamps import stamps_of
from vqx.reporting.statistics import LEVEL, Interval, mean_interval
from vqx.runs.reading import Run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MARK = "†"  # the interval over seeds excludes zero
IMAGE_MARK = "‡"  # the interval over images does, which says less
_MOST_DECIMALS = 6
_LEVEL = f"{LEVEL:.0%}".replace("%", " %")


@dataclass(frozen=True, slots=True)
class Paired:
    """The mean difference to the baseline: its interval, or with one pair no interval but `only`.

    `pairs` says what was paired. Without any pair all three are empty, and `why` says why.
    """

    interval: Interval | None = None
    only: float | None = None
    pairs: str = ""
    why: str = ""


def baseline_row(rows: Sequence[Row], name: str) -> Row:
    """The row called `name`. Raises ConfigError when there is none."""
    for row in rows:
        if row.label == name:
            return row
    from vqx.guard import nearest

    labels = [row.label for row in rows]
    raise ConfigError(
        f"baseline={name}: no such row{nearest(name, labels)}; there are: {', '.join(labels)}"
    )


def compare(rows: Sequence[Row], baseline: Row, columns: Sequence[Column]) -> tuple[Table, ...]:
    """Tables of the differences of `rows` to `baseline` in their metrics: by seed, and by image.

    Raises ConfigError without a metric that has a direction to compare in.
    """
    metrics = [column for column in columns if column.is_metric and column.better is not None]
    others = [row for row in rows if row is not baseline]
    if not metrics or not others:
        what = "metric among the columns" if others else "other row"
        raise ConfigError(f"baseline={baseline.label}: there is no {what} to compare")
    images = _Images()
    return (
        _table(_Way("paired by seed", _SEED_RULE, MARK, by_seed), others, baseline, metrics),
        _table(
            _Way("paired by image", _IMAGE_RULE, IMAGE_MARK, images.pair), others, baseline, metrics
        ),
    )


_SEED_RULE = (
    f"mean over common seeds of (row - baseline) ± half of Student's {_LEVEL} interval; {MARK}: "
    "the interval excludes zero; each by itself, not corrected for how many there are"
)
_IMAGE_RULE = (
    "each image's difference averaged over the common seeds, then the mean over images ± half of "
    f"Student's {_LEVEL} interval; {IMAGE_MARK}: it excludes zero. It says how sure the difference "
    "of these trained models is on other images, if images are independent of each other as crops "
    "of one photograph are not, and not whether other seeds would repeat it: that is the table by "
    "seed"
)

_Pair = Callable[[Column, Row, Row], Paired]


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to pair: what it is called, how to read it, its mark of an interval without zero."""

    name: str
    rule: str
    mark: str
    pair: _Pair


def _table(way: _Way, rows: Sequence[Row], baseline: Row, metrics: Sequence[Column]) -> Table:
    found = [[_comparable(column, row, baseline, way.pair) for column in metrics] for row in rows]
    shown = [i for i in range(len(metrics)) if any(line[i].pairs for line in found)]
    columns = [metrics[i] for i in shown]
    digits = [_decimals(metrics[i], [line[i] for line in found]) for i in shown]
    body = [
        (
            Cell(row.label),
            *(_cell(metrics[i], line[i], digits[place], way.mark) for place, i in enumerate(shown)),
            Cell(_one([paired.pairs for paired in line if paired.pairs])),
        )
        for row, line in zip(rows, found, strict=True)
    ]
    return Table(
        caption=f"Differences to {baseline.label}, {way.name}",
        header=("row", *(column.header for column in columns), "pairs"),
        rows=tuple(body),
        notes=(Note("±", way.rule), *_reasons(rows, metrics, found)),
        keys=("row", *(column.key for column in columns), "pairs"),
        lines=tuple(rows),
        name=way.name,
    )


def _one(texts: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(texts)) or ABSENT


def _comparable(column: Column, row: Row, baseline: Row, pair: _Pair) -> Paired:
    if len(stamps_of(column, [row, baseline]).letters) > 1:
        return Paired(why="measured by another protocol")
    return pair(column, row, baseline)


def _decimals(column: Column, found: Sequence[Paired]) -> int:
    """Digits after the point that show two of the narrowest interval, or three of a difference."""
    halves = [p.interval.half_width for p in found if p.interval and p.interval.half_width > 0]
    if halves:
        size, wanted = min(halves), 2
    else:
        size, wanted = max((abs(p.only) for p in found if p.only is not None), default=0.0), 3
    scaled = size * column.scale
    if not 0 < scaled < math.inf:
        return 2
    return min(max(wanted - 1 - math.floor(math.log10(scaled)), 0), _MOST_DECIMALS)


def _cell(column: Column, paired: Paired, decimals: int, mark: str) -> Cell:
    def signed(value: float) -> str:
        text = f"{value * column.scale:+.{decimals}f}"
        return text.replace("-", "\u2212", 1)

    interval = paired.interval
    if interval is None:
        only = paired.only
        return Cell(ABSENT) if only is None else Cell(signed(only), value=only)
    return Cell(
        signed(interval.mean),
        f"{interval.half_width * column.scale:.{decimals}f}",
        mark=mark if interval.excludes_zero else "",
        value=interval.mean,
        hover=f"{paired.pairs}: {signed(interval.low)} to {signed(interval.high)}",
    )


def _reasons(
    rows: Sequence[Row], metrics: Sequence[Column], found: Sequence[Sequence[Paired]]
) -> list[Note]:
    """Why there is no difference: a note a reason, with the rows and metrics that it is about."""
    reasons: dict[str, dict[str, list[str]]] = {}
    for row, line in zip(rows, found, strict=True):
        for column, paired in zip(metrics, line, strict=True):
            if paired.why:
                reasons.setdefault(paired.why, {}).setdefault(row.label, []).append(column.title)
    notes = []
    for why, labels in reasons.items():
        titles = dict.fromkeys(title for of in labels.values() for title in of)
        about = "all" if len(titles) == len(metrics) else ", ".join(titles)
        where = "" if len(labels) == len(rows) else f" ({', '.join(labels)})"
        notes.append(Note(f"no difference of {about}", why + where))
    return notes


def by_seed(column: Column, row: Row, baseline: Row) -> Paired:
    """Differences of the runs of equal seeds."""
    ours, theirs = _by_seed(row), _by_seed(baseline)
    differences = [
        a - b
        for seed, run in ours.items()
        if seed in theirs
        and (a := column.value(run.result)) is not None
        and (b := column.value(theirs[seed].result)) is not None
    ]
    if not differences:
        return Paired(why="no seed has a result in both rows")
    return Paired(mean_interval(differences), differences[0], _count(len(differences)))


def _count(seeds: int) -> str:
    return f"{seeds} seed{'s' if seeds > 1 else ''}"


def _by_seed(row: Row) -> Mapping[int | None, Run]:
    return {seed_of(run): run for run in row.runs if run.result is not None}


class _Images:
    """Pairs runs image by image; each file is read once."""

    def __init__(self) -> None:
        self._read: dict[str, PerImage | str] = {}

    def pair(self, column: Column, row: Row, baseline: Row) -> Paired:
        """Differences of each image, averaged over the seeds that both rows have."""
        ours, theirs = _by_seed(row), _by_seed(baseline)
        seeds = [seed for seed in ours if seed in theirs]
        if not seeds:
            return Paired(why="no seed has a result in both rows")
        shown = [found for seed in seeds if isinstance(found := self._images(ours[seed]), PerImage)]
        if len({found.images for found in shown}) > 1:
            return Paired(why="its seeds were evaluated on different images")
        total: NDArray[np.float64] | None = None
        for seed in seeds:
            difference = self._difference(column, ours[seed], theirs[seed])
            if isinstance(difference, str):
                return Paired(why=difference)
            total = difference if total is None else total + difference
        assert total is not None
        means = total / len(seeds)
        pairs = f"{len(means):,} images, {_count(len(seeds))}"
        return Paired(mean_interval(means.tolist()), float(means.mean()), pairs)

    def _difference(self, column: Column, run: Run, other: Run) -> "NDArray[np.float64] | str":
        """`run` - `other` for each image, or why they cannot be paired."""
        a, b = self._images(run), self._images(other)
        for found in (a, b):
            if isinstance(found, str):
                return found
        assert isinstance(a, PerImage)
        assert isinstance(b, PerImage)
        if column.key not in a.values or column.key not in b.values:
            return "no number of a single image"
        if a.images != b.images:
            return "evaluated on other images"
        return a.values[column.key].astype("float64") - b.values[column.key]

    def _images(self, run: Run) -> PerImage | str:
        key = str(run.folder.path)
        if key not in self._read:
            found = read_per_image(run)
            remedy = ": `python -m vqx.evaluate RUN` writes it"
            self._read[key] = found + remedy if isinstance(found, str) else found
        return self._read[key]
