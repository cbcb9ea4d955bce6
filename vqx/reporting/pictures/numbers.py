"""The numbers of rows that pictures place: a column over a row's seeds, and which way is better."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vqx.reporting.beside import columns_beside
from vqx.reporting.columns import Column, columns_of
from vqx.reporting.frame import Row, state_word
from vqx.reporting.main_table import find_column
from vqx.reporting.published import Published
from vqx.reporting.statistics import Summary, summarize
from vqx.runs.reading import Run


def column_called(key: str, rows: Sequence[Row], published: Sequence[Published] = ()) -> Column:
    """The column `key` of our results or of what others printed.

    Raises ConfigError where there is none.
    """
    results = [result for row in rows for result in row.results]
    return find_column(
        columns_beside(results, published) if published else columns_of(results), key
    )


@dataclass(frozen=True, slots=True)
class Pair:
    """Two columns of one row over the same runs, scaled as they are written."""

    x: Summary
    y: Summary


def pair_of(row: Row, x: Column, y: Column) -> Pair | str:
    """Both columns over the runs that have both finite, or why there is no such run."""
    found = [(x.value(result), y.value(result)) for result in row.results]
    pairs = [(a * x.scale, b * y.scale) for a, b in found if a is not None and b is not None]
    finite = [(a, b) for a, b in pairs if math.isfinite(a) and math.isfinite(b)]
    xs = summarize([a for a, _ in finite])
    ys = summarize([b for _, b in finite])
    if xs is None or ys is None:
        return "not finite" if pairs else lack(row, (x, y))
    return Pair(xs, ys)


def lack(row: Row, columns: Sequence[Column]) -> str:
    """Why a row has no numbers in one of `columns`."""
    if not row.results:
        return f"no result ({states(row.runs)})"
    lacking = [c.title for c in columns if all(c.value(r) is None for r in row.results)]
    return f"no {' and no '.join(lacking or [c.title for c in columns])}"


def states(runs: Sequence[Run]) -> str:
    """The states of `runs`, each once."""
    return ", ".join(dict.fromkeys(state_word(run) for run in runs))
