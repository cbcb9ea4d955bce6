"""Numbers over one configuration key and metrics, or over two keys.

Axes: R rows of the map, C columns of it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqx.errors import ConfigError
from vqx.guard import nearest
from vqx.reporting.columns import Column
from vqx.reporting.directions import direction
from vqx.reporting.frame import Row, flatten, natural
from vqx.reporting.naming import Target, choice_name, value_text
from vqx.reporting.pictures.numbers import lack
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
    names = {name for row in rows for name in row.varying} | {"levels"}
    counts: dict[str, list[str]] = {}
    for name in sorted(names):
        for known in texts:
            if (key := _whole_key(name, known)) is not None:
                counts.setdefault(name, []).append(known[key])
    several = {key: values for key, values in counts.items() if len(set(values)) > 1}
    if "levels" in several:
        return "levels"
    return max(several, key=lambda key: (len(several[key]), key)) if several else None


def _whole_key(name: str, known: Iterable[str]) -> str | None:
    """The key of a configuration that `name`, whole or shortened as in labels, stands for."""
    if name in known:
        return name
    ends = [key for key in known if key.endswith(f".{name}")]
    quantizers = [key for key in ends if key.startswith("quantizer.")]
    return min(quantizers or ends, key=len, default=None)


def is_key(name: str, rows: Sequence[Row]) -> bool:
    """Whether some row's configuration has a key `name`, whole or shortened as in labels."""
    return any(_whole_key(name, known) for known in keys_of(rows))


def check_key(name: str, rows: Sequence[Row]) -> None:
    """Raise ConfigError for a key that no row's configuration has."""
    if not is_key(name, rows):
        known = {key for texts in keys_of(rows) for key in texts}
        close = nearest(name, {*known, *(key.rpartition(".")[2] for key in known)})
        raise ConfigError(f"heatmap={name}: no run's configuration has it{close}")


def _values(rows: Sequence[Row], name: str) -> list[str | None]:
    """What each row's configuration says for a key; None where it has none."""
    found = [(_whole_key(name, known), known) for known in keys_of(rows)]
    return [None if key is None else known[key] for key, known in found]


def over_metrics(rows: Sequence[Row], key: str, metrics: Sequence[Column]) -> HeatMap:
    """A line a row that has `key`; each metric shaded from its worst to its best."""
    said = list(zip(_values(rows, key), rows, strict=True))
    omissions = [Omission(row.label, f"no {key}") for value, row in said if value is None]
    kept = [(value, row) for value, row in said if value is not None]
    kept.sort(key=lambda pair: natural(pair[0]))
    names = [name for name, _ in kept]
    labels = [_name(n, row) if names.count(n) > 1 else n for n, row in kept]
    values = np.full((len(kept), len(metrics)), np.nan)
    for i, (_, row) in enumerate(kept):
        lacking = []
        for j, metric in enumerate(metrics):
            values[i, j] = mean_of(row, metric)
            lacking += [metric] if math.isnan(values[i, j]) else []
        if lacking or not row.results:
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


def _name(value: str, row: Row) -> str:
    """What a line is called whose value others have too."""
    return row.label if value in row.label else f"{value} ({row.label})"


def over_keys(rows: Sequence[Row], keys: tuple[str, str], metric: Column) -> HeatMap:
    """One metric over two keys, shaded over all of the map; a cell of several rows stays empty."""
    cells: dict[tuple[str, str], list[Row]] = {}
    omissions: list[Omission] = []
    both = (_values(rows, key) for key in keys)
    for row, first, second in zip(rows, *both, strict=True):
        if first is None or second is None:
            lacking = [k for k, v in zip(keys, (first, second), strict=True) if v is None]
            omissions.append(Omission(row.label, f"no {' and no '.join(lacking)}"))
        else:
            cells.setdefault((first, second), []).append(row)
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
