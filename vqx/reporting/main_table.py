"""The ablation table, free of any output format."""

import math
from collections import Counter
from collections.abc import Sequence

from vqx.errors import ConfigError
from vqx.reporting.beside import Beside, columns_beside
from vqx.reporting.cells import Cell, Table
from vqx.reporting.column_cells import Spread, cells_of, reading_notes, summary_of
from vqx.reporting.columns import Column, columns_of, usual
from vqx.reporting.frame import Frame, Row, natural, state_word
from vqx.reporting.notes import Note, caption, notes_of
from vqx.reporting.published_rows import with_published
from vqx.reporting.stamps import stamps_of
from vqx.runs.status import State


def build_table(
    frame: Frame,
    *,
    columns: Sequence[str] = (),
    sort: str | None = None,
    beside: Beside | None = None,
    notes: Sequence[Note] = (),
    spread: Spread = "std",
    hover: bool = False,
) -> Table:
    """The table of `frame`'s rows. `columns`: keys to show, default all usual ones; `sort`: a key,
    best first; `beside`: published rows to stand under ours; `notes`: what else to say, first;
    `spread`: what stands beside the mean of several seeds; `hover`: fill the cells' hover.

    Raises ConfigError for a key that is no column.
    """
    results = [result for row in frame.rows for result in row.results]
    published = beside.published if beside else ()
    known = columns_beside(results, published) if beside else columns_of(results)
    printed = {key for row in published for key in row.texts}
    shown = _select(known, columns, results, printed)
    rows = _sorted(frame.rows, find_column(known, sort)) if sort else list(frame.rows)
    stamps = {column.key: stamps_of(column, rows) for column in shown if column.is_metric}
    by_column = [
        cells_of(column, rows, stamps.get(column.key), spread=spread, hover=hover)
        for column in shown
    ]
    body = [
        (Cell(row.label), *(cells[i] for cells in by_column), Cell(_n(row)), Cell(state_text(row)))
        for i, row in enumerate(rows)
    ]
    table = Table(
        caption=caption(frame),
        header=(frame.heading, *(column.header for column in shown), "n", "state"),
        rows=tuple(body),
        notes=(*notes, *notes_of(rows, shown, stamps), *reading_notes(by_column, rows, spread)),
        keys=("row", *(column.key for column in shown), "n", "state"),
        lines=tuple(rows),
    )
    return with_published(table, rows, shown, beside) if beside else table


def find_column(known: Sequence[Column], key: str) -> Column:
    """The column called `key`. Raises ConfigError for a key that is no column."""
    for column in known:
        if key in (column.key, column.title):
            return column
    from vqx.guard import nearest

    keys = [column.key for column in known]
    raise ConfigError(f"no column '{key}'{nearest(key, keys)}; there are: {', '.join(keys)}")


def _select(
    known: Sequence[Column],
    keys: Sequence[str],
    results: Sequence[dict[str, object]],
    printed: set[str],
) -> list[Column]:
    if keys:
        return [find_column(known, key) for key in keys]
    shown = {column.key for column in usual(known, results)} | printed
    return [column for column in known if column.key in shown]


def _sorted(rows: Sequence[Row], column: Column) -> list[Row]:
    sign = 1.0 if column.better == "lower" else -1.0

    def key(row: Row) -> tuple[float, list[tuple[int, float, str]]]:
        summary = summary_of(column, row)
        missing = summary is None or math.isnan(summary.mean)
        return (math.inf if missing or not summary else sign * summary.mean), natural(row.label)

    return sorted(rows, key=key)


def _n(row: Row) -> str:
    return str(len(row.results))


def state_text(row: Row) -> str:
    """The states of a row's runs, and whether its numbers are of a model that has no codes."""
    return f"{runs_text(row)}{', not discrete' if row.discrete is False else ''}"


def runs_text(row: Row) -> str:
    """`done`, or how many runs of the row are in which state."""
    counts = Counter(state_word(run) for run in row.runs)
    if len(counts) == 1:
        return state_word(row.runs[0])
    others = (s.value for s in State if s != State.DONE)
    order = [State.DONE.value, *others, "stale", "missing"]
    return ", ".join(f"{counts[state]} {state}" for state in order if state in counts)
