"""The ablation table, free of any output format."""

import math
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace

from vqx.errors import ConfigError
from vqx.reporting.beside import Beside, columns_beside
from vqx.reporting.cells import Cell, Table
from vqx.reporting.columns import ABSENT, Column, columns_of, filled
from vqx.reporting.frame import Frame, Row, natural, state_word
from vqx.reporting.notes import Note, caption, notes_of
from vqx.reporting.published_rows import with_published
from vqx.reporting.stamps import Stamps, stamps_of
from vqx.reporting.statistics import Summary, summarize
from vqx.runs.status import State


def build_table(
    frame: Frame,
    *,
    columns: Sequence[str] = (),
    sort: str | None = None,
    beside: Beside | None = None,
    notes: Sequence[Note] = (),
) -> Table:
    """The table of `frame`'s rows. `columns`: keys to show, default all usual ones; `sort`: a key,
    best first; `beside`: published rows to stand under ours; `notes`: what else to say, first.

    Raises ConfigError for a key that is no column.
    """
    results = [result for row in frame.rows for result in row.results]
    published = beside.published if beside else ()
    known = columns_beside(results, published) if beside else columns_of(results)
    printed = {key for row in published for key in row.texts}
    shown = _select(known, columns, results, printed)
    rows = _sorted(frame.rows, _find(known, sort)) if sort else list(frame.rows)
    stamps = {column.key: stamps_of(column, rows) for column in shown if column.is_metric}
    by_column = [_cells(column, rows, stamps.get(column.key)) for column in shown]
    body = [
        (Cell(row.label), *(cells[i] for cells in by_column), Cell(_n(row)), Cell(state_text(row)))
        for i, row in enumerate(rows)
    ]
    table = Table(
        caption=caption(frame),
        header=(frame.heading, *(column.header for column in shown), "n", "state"),
        rows=tuple(body),
        notes=(*notes, *notes_of(rows, shown, stamps)),
    )
    return with_published(table, rows, shown, beside) if beside else table


def _find(known: Sequence[Column], key: str) -> Column:
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
    printed: Container[str],
) -> list[Column]:
    if keys:
        return [_find(known, key) for key in keys]
    usual = [column.key for column in filled(known, results) if column.default]
    return [column for column in known if column.key in usual or column.key in printed]


def summary_of(column: Column, row: Row) -> Summary | None:
    """The column's number over the seeds of a row."""
    values = [column.value(result) for result in row.results]
    return summarize([value for value in values if value is not None])


def _cells(column: Column, rows: Sequence[Row], stamps: Stamps | None) -> list[Cell]:
    summaries = [summary_of(column, row) for row in rows]
    cells = [_cell(column, summary) for summary in summaries]
    if stamps is not None and len(stamps.letters) > 1:  # not comparable: no best among them
        return [
            replace(cell, mark=stamps.marks(row)) for cell, row in zip(cells, rows, strict=True)
        ]
    # What reads the same is as good: two rows of 100.0 % are both best; if all read so, none is.
    rivals = _rivals(rows, summaries)
    top = {cells[i].text for i in _best(column, {i: summaries[i] for i in rivals})}
    texts = {cells[i].text for i in rivals} - {ABSENT}
    return [
        replace(cell, best=i in rivals and cell.text in top and texts != top)
        for i, cell in enumerate(cells)
    ]


def _rivals(rows: Sequence[Row], summaries: Sequence[Summary | None]) -> list[int]:
    """Rows with a number to compare: those of discrete models, or if there are none, all."""
    present = [i for i, summary in enumerate(summaries) if summary is not None]
    return [i for i in present if rows[i].discrete] or present


def _cell(column: Column, summary: Summary | None) -> Cell:
    if summary is None:
        return Cell(ABSENT)
    spread = "" if summary.std is None or not column.spread else column.text(summary.std)
    return Cell(column.text(summary.mean), spread)


def _best(column: Column, summaries: Mapping[int, Summary | None]) -> list[int]:
    """Rows with the best mean, if there are at least two to choose from."""
    means = {i: s.mean for i, s in summaries.items() if s is not None and math.isfinite(s.mean)}
    if column.better is None or len(means) < 2:
        return []
    pick: Callable[..., float] = max if column.better == "higher" else min
    target = pick(means.values())
    return [i for i, mean in means.items() if mean == target]


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
    order = [State.DONE.value, *(s.value for s in State if s != State.DONE), "missing"]
    return ", ".join(f"{counts[state]} {state}" for state in order if state in counts)
