"""The cells of one column: numbers with their spread, ranked as far as that allows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from vqx.reporting.bootstrap import bootstrap_interval
from vqx.reporting.cells import Cell
from vqx.reporting.columns import ABSENT, Column
from vqx.reporting.frame import Row, seed_of
from vqx.reporting.notes import Note
from vqx.reporting.numbers import numbers_of
from vqx.reporting.ranking import RULE, RULE_SINGLE, rank
from vqx.reporting.stamps import Stamps, stamp_of
from vqx.reporting.statistics import Summary, mean_interval, summarize

Spread = Literal["std", "interval", "bootstrap", "none"]
SPREADS: dict[str, str] = {
    "std": "± standard deviation of the seeds (n - 1); none of one seed",
    "interval": "± half of Student's 95 % interval of the mean over seeds; none of one seed",
    "bootstrap": "[low, high]: 95 % percentile bootstrap interval of the mean over seeds; none of "
    "one seed, and of few narrower than Student's",
    "none": "",
}


def summary_of(column: Column, row: Row) -> Summary | None:
    """The column's number over the seeds of a row."""
    key = "summary", column.key, column.place
    found: Summary | None = row.memory.get(key)
    if found is None:
        values = numbers_of(column, row)
        found = summarize([value for value in values if value is not None])
        row.memory[key] = found
    return found


def values_of(column: Column, row: Row) -> list[tuple[int | None, float]]:
    """Seed and value of each run of a row that has one."""
    return [
        (seed_of(run), value)
        for run, value in zip(row.runs, numbers_of(column, row), strict=True)
        if value is not None
    ]


def cells_of(
    column: Column,
    rows: Sequence[Row],
    stamps: Stamps | None,
    *,
    spread: Spread = "std",
    hover: bool = False,
) -> list[Cell]:
    """A cell a row; where the stamps differ each has its letter, and none is ranked."""
    summaries = [summary_of(column, row) for row in rows]
    cells = [_cell(column, row, one, spread) for row, one in zip(rows, summaries, strict=True)]
    if hover:
        cells = [
            replace(cell, hover=_hover(column, row)) for cell, row in zip(cells, rows, strict=True)
        ]
    if stamps is not None and len(stamps.letters) > 1:
        return [
            replace(cell, mark=stamps.marks(row)) for cell, row in zip(cells, rows, strict=True)
        ]
    if column.better is None:
        return cells
    rivals = {i: summaries[i] for i in _rivals(rows, summaries)}
    present = {i: summary for i, summary in rivals.items() if summary is not None}
    texts = {i: column.text(summary.mean) for i, summary in present.items()}
    ranks = rank(present, texts, better=column.better)
    ranked = ranks.best | ranks.second
    return [
        replace(cell, best=i in ranks.best, second=i in ranks.second) if i in ranked else cell
        for i, cell in enumerate(cells)
    ]


def _rivals(rows: Sequence[Row], summaries: Sequence[Summary | None]) -> list[int]:
    """Rows with a number to compare: those of discrete models, or if there are none, all."""
    present = [i for i, summary in enumerate(summaries) if summary is not None]
    return [i for i in present if rows[i].discrete] or present


def _cell(column: Column, row: Row, summary: Summary | None, spread: Spread) -> Cell:
    if summary is None:
        return Cell(ABSENT)
    text, beside = column.text(summary.mean), ""
    if column.spread and summary.std is not None and spread != "none":
        values = [value for value in numbers_of(column, row) if value is not None]
        if spread == "std":
            beside = column.text(summary.std)
        elif spread == "interval" and (interval := mean_interval(values)):
            beside = column.text(interval.half_width)
        elif spread == "bootstrap" and (interval := bootstrap_interval(values)):
            text += f" [{column.text(interval.low)}, {column.text(interval.high)}]"
    return Cell(text, beside, value=summary.mean)


def _hover(column: Column, row: Row) -> str:
    """`n = 2: 23.71 (seed 0), 23.90 (seed 1); per image, then mean; ...`."""
    values = values_of(column, row)
    if not values:
        return _missing(column, row)
    each = ", ".join(
        column.text(value) + (f" (seed {seed})" if seed is not None else "")
        for seed, value in values
    )
    unit = f" {column.unit}" if column.unit else ""
    stamps = _stamps(column, row)
    return "; ".join([f"n = {len(values)}: {each}{unit}", *stamps])


def _stamps(column: Column, row: Row) -> list[str]:
    if not column.is_metric:
        return []
    found = (stamp_of(column.key, result, name_images=False) for result in row.results)
    return list(dict.fromkeys(stamp for stamp in found if stamp))


def _missing(column: Column, row: Row) -> str:
    """Why a number is not there, as far as the runs tell."""
    reasons = [(result.get("missing") or {}).get(column.key) for result in row.results]
    return "; ".join(dict.fromkeys(str(reason) for reason in reasons if reason))


def reading_notes(
    columns: Sequence[Sequence[Cell]], rows: Sequence[Row], spread: Spread
) -> list[Note]:
    """How to read spreads and ranks, where there are any."""
    cells = [cell for column in columns for cell in column]
    notes = []
    if any(cell.spread or "[" in cell.text for cell in cells):
        notes.append(Note("spread", SPREADS[spread]))
    if any(cell.best for cell in cells):
        single = all(len(row.results) < 2 for row in rows)
        notes.append(Note("ranks", RULE_SINGLE if single else RULE))
    return notes
