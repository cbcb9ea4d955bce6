"""Numbers over one configuration key and metrics, or over two keys.

Axes: R rows of the map, C columns of it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqx.errors import ConfigError
from vqx.guard import nearest
from vqx.reporting.columns import Column
from vqx.reporting.frame import Row, flatten, natural
from vqx.reporting.naming import Target, choice_name, value_text
from vqx.reporting.pictures.numbers import direction, lack
from vqx.reporting.pictures.picture import Omission
from vqx.reporting.statistics import summarize


@dataclass(frozen=True, slots=True)
class HeatMap:
    """`values` (R, C), as written in the table, NaN where there is none; `columns`: of each column
    of the map the metric; `shade` (R, C) in [0, 1], 1 the best, NaN for no shade."""

    row_key: str
    rows: tuple[str, ...]
    column_key: str  # "" where the columns are metrics
    columns: tuple[str, ...]
    metrics: tuple[Column, ...]  # (C,)
    values: NDArray[np.float64]
    shade: NDArray[np.float64]
    omissions: tuple[Omission, ...]


def keys_of(rows: Sequence[Row]) -> list[dict[str, str]]:
    """What each row's configuration says, key -> text as typed on the command line."""
    found = []
    for row in rows:
        flat = flatten(row.runs[0].config)
        found.append(
            {
                key: choice_name(key, flat) if isinstance(value, Target) else value_text(value)
                for key, value in flat.items()
            }
        )
    return found


def varying_key(rows: Sequence[Row]) -> str | None:
    """`levels` where it varies, else the key that most rows vary; None where nothing does."""
    texts = keys_of(rows)
    counts: dict[str, list[str]] = {}
    for row, known in zip(rows, texts, strict=True):
        for key in {*row.varying, "levels"} & known.keys():
            counts.setdefault(key, []).append(known[key])
    several = {key: values for key, values in counts.items() if len(set(values)) > 1}
    if "levels" in several:
        return "levels"
    return max(several, key=lambda key: (len(several[key]), key)) if several else None


def check_key(key: str, rows: Sequence[Row]) -> None:
    """Raise ConfigError for a key that no row's configuration has."""
    known = {name for texts in keys_of(rows) for name in texts}
    if key not in known:
        raise ConfigError(f"heatmap={key}: no run's configuration has it{nearest(key, known)}")


def over_metrics(rows: Sequence[Row], key: str, metrics: Sequence[Column]) -> HeatMap:
    """A line a row that has `key`; each metric shaded from its worst to its best."""
    texts = keys_of(rows)
    omissions = [
        Omission(row.label, f"no {key}")
        for row, known in zip(rows, texts, strict=True)
        if key not in known
    ]
    kept = [(known[key], row) for row, known in zip(rows, texts, strict=True) if key in known]
    kept.sort(key=lambda pair: natural(pair[0]))
    names = [name for name, _ in kept]
    labels = [f"{n} ({row.label})" if names.count(n) > 1 else n for n, row in kept]
    values = np.full((len(kept), len(metrics)), np.nan)
    for i, (_, row) in enumerate(kept):
        lacking = []
        for j, metric in enumerate(metrics):
            values[i, j] = mean_of(row, metric)
            lacking += [metric] if math.isnan(values[i, j]) else []
        if lacking:
            omissions.append(Omission(row.label, lack(row, lacking)))
    shades = [shade(values[:, j], direction(metric)) for j, metric in enumerate(metrics)]
    return HeatMap(
        key,
        tuple(labels),
        "",
        tuple(metric.title for metric in metrics),
        tuple(metrics),
        values,
        np.stack(shades, axis=1) if shades else values,
        tuple(omissions),
    )


def over_keys(rows: Sequence[Row], keys: tuple[str, str], metric: Column) -> HeatMap:
    """One metric over two keys, shaded over all of the map; a cell of several rows stays empty."""
    cells: dict[tuple[str, str], list[Row]] = {}
    omissions: list[Omission] = []
    for row, known in zip(rows, keys_of(rows), strict=True):
        lacking = [key for key in keys if key not in known]
        if lacking:
            omissions.append(Omission(row.label, f"no {' and no '.join(lacking)}"))
        else:
            cells.setdefault((known[keys[0]], known[keys[1]]), []).append(row)
    down, across = (sorted({cell[i] for cell in cells}, key=natural) for i in (0, 1))
    values = np.full((len(down), len(across)), np.nan)
    for (first, second), members in cells.items():
        labels = ", ".join(row.label for row in members)
        if len(members) > 1:
            where = f"{keys[0]}={first} {keys[1]}={second}"
            omissions.append(Omission(labels, f"they share the cell {where}: select one of them"))
            continue
        value = mean_of(members[0], metric)
        values[down.index(first), across.index(second)] = value
        if math.isnan(value):
            omissions.append(Omission(labels, lack(members[0], [metric])))
    empty = [f"{a} x {b}" for a in down for b in across if (a, b) not in cells]
    if empty:
        omissions.append(Omission(", ".join(empty), f"no run of this {keys[0]} and {keys[1]}"))
    return HeatMap(
        keys[0],
        tuple(down),
        keys[1],
        tuple(across),
        (metric,) * len(across),
        values,
        shade(values, direction(metric)),
        tuple(omissions),
    )


def mean_of(row: Row, column: Column) -> float:
    """The mean over seeds as written in the table, NaN where there is no finite number."""
    numbers = [value for r in row.results if (value := column.value(r)) is not None]
    found = summarize([value for value in numbers if math.isfinite(value)])
    return math.nan if found is None else found.mean * column.scale


def shade(values: NDArray[np.float64], better: str | None) -> NDArray[np.float64]:
    """`values` from 0, the worst, to 1, the best; all NaN without a direction, 0.5 if all equal."""
    finite = values[np.isfinite(values)]
    if better is None or not finite.size:
        return np.full(values.shape, np.nan)
    low, high = float(finite.min()), float(finite.max())
    if low == high:
        return np.where(np.isfinite(values), 0.5, np.nan)
    share: NDArray[np.float64] = (values - low) / (high - low)
    return share if better == "higher" else 1 - share
