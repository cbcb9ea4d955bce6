"""Curves of one run from its metrics.jsonl."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vqx.errors import VqxError
from vqx.reporting.columns import columns_of
from vqx.reporting.frame import Row
from vqx.reporting.pictures.bands import Curve
from vqx.reporting.pictures.numbers import states
from vqx.reporting.pictures.picture import Omission, run_omissions
from vqx.runs.files import read_lines
from vqx.runs.reading import Run

Line = Mapping[str, Any]
KINDS = ("evaluate", "train")
_ALIKE = ("usage", "perplexity")  # of log lines, but in the evaluation's unit
_RECONSTRUCTION = ("l2", "l1", "loss")
_PLACES = {"steps": "step", "images": "images_seen", "hours": "time"}
AXIS_LABELS = {"steps": "optimizer steps", "images": "images seen", "hours": "hours of training"}


@dataclass(frozen=True, slots=True)
class RunLines:
    """A row's runs that have lines, in order of their seeds, and those that have none."""

    row: Row
    index: int  # the row's place among all
    lines: tuple[tuple[Run, tuple[Line, ...]], ...]
    omissions: tuple[Omission, ...]


def lines_of(rows: Sequence[Row]) -> list[RunLines]:
    """The lines of every run of `rows`; a file that is damaged is an omission."""
    found = []
    for index, row in enumerate(rows):
        read = [(run, _read(run)) for run in row.runs]
        lines = tuple((run, some) for run, some in read if not isinstance(some, str))
        missing = [(run, some) for run, some in read if isinstance(some, str)]
        found.append(RunLines(row, index, lines, tuple(run_omissions(row, missing))))
    return found


def _read(run: Run) -> tuple[Line, ...] | str:
    try:
        lines = read_lines(run.folder.metrics)
    except (VqxError, OSError) as error:
        return f"metrics.jsonl cannot be read ({error})"
    return tuple(lines) or f"no lines in metrics.jsonl ({states([run])})"


def curve_of(lines: Sequence[Line], metric: str, *, kind: str, over: str) -> Curve | None:
    """`metric` of the lines of one `kind` over `steps`, `images` or `hours`; None without a point.

    A step met twice, as after a resume, counts as it was written last. Values that are not finite
    are left out. A clock that starts again on resume is taken to go on.
    """
    by_step: dict[float, tuple[float, float]] = {}
    for line in lines:
        numbers = [_number(line.get(key)) for key in ("step", _PLACES[over], metric)]
        if line.get("kind") == kind and all(map(math.isfinite, numbers)):
            by_step[numbers[0]] = (numbers[1], numbers[2])
    if not by_step:
        return None
    x, y = np.array([by_step[step] for step in sorted(by_step)], dtype=np.float64).T
    if over == "hours":
        back = np.where(np.diff(x) < 0, x[:-1], 0.0)
        x = (x + np.concatenate([[0.0], np.cumsum(back)])) / 3600
    x, last = np.unique(x[::-1], return_index=True)
    return Curve(x, y[::-1][last])


def _number(value: object) -> float:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known else math.nan  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric of metrics.jsonl: of which lines, how it is called, and the unit's factor."""

    key: str
    kind: str
    title: str
    scale: float


def measure_of(word: str, found: Sequence[RunLines]) -> Measure | None:
    """`psnr`, `train/loss`, `evaluate/psnr`: what is meant; None where no run has it."""
    first, slash, rest = word.partition("/")
    kinds, key = ((first,), rest) if slash and first in KINDS else (KINDS, word)
    for kind in kinds:
        if any(_has(line, kind, key) for one in found for _, lines in one.lines for line in lines):
            column = {c.key: c for c in columns_of([])}.get(key)
            if column is None or (kind == "train" and key not in _ALIKE):
                return Measure(key, kind, f"{key}, training" if kind == "train" else key, 1.0)
            title = f"{column.header}, training" if kind == "train" else column.header
            return Measure(key, kind, title, column.scale)
    return None


def usual_metric(found: Sequence[RunLines]) -> str:
    """PSNR where some run was evaluated at two steps at least, else the training's reconstruction.

    `evaluate/psnr` also where no run has logged any of these.
    """
    for one in found:
        for _, lines in one.lines:
            curve = curve_of(lines, "psnr", kind="evaluate", over="steps")
            if curve is not None and len(curve.x) > 1:
                return "evaluate/psnr"
    runs = [lines for one in found for _, lines in one.lines]
    for key in _RECONSTRUCTION:
        if runs and all(any(_has(line, "train", key) for line in lines) for lines in runs):
            return f"train/{key}"
    return "evaluate/psnr"


def metrics_in(found: Sequence[RunLines]) -> list[str]:
    """All metrics that some run has, as `evaluate/psnr`."""
    heads = {"step", "images_seen", "kind", "time"}
    words = {
        f"{line.get('kind')}/{key}"
        for one in found
        for _, lines in one.lines
        for line in lines
        for key in line.keys() - heads
    }
    return sorted(words)


def _has(line: Line, kind: str, key: str) -> bool:
    return line.get("kind") == kind and math.isfinite(_number(line.get(key)))
