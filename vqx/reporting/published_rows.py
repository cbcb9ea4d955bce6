"""Published rows as cells of a table: grey, never the best, with numbers that refer to caveats."""

import math
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from vqx.reporting.beside import Beside
from vqx.reporting.cells import Cell, Table
from vqx.reporting.columns import ABSENT, Column
from vqx.reporting.frame import Row
from vqx.reporting.published import Published, name_of
from vqx.reporting.published_notes import Caveats, notes_beside

STATE = "published"
_DIGITS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def with_published(
    table: Table, rows: Sequence[Row], columns: Sequence[Column], beside: Beside
) -> Table:
    """`table` of our `rows` with each published row under the rows that repeat it, others last."""
    caveats = _numbered(beside.published, columns)
    body: list[tuple[Cell, ...]] = []
    lines: list[Row | None] = []
    placed: set[str] = set()
    for i, row in enumerate(rows):
        body.append(table.rows[i])
        lines.append(row)
        following = beside.repeated(rows[i + 1]) if i + 1 < len(rows) else ()
        for name in beside.repeated(row):
            if name not in placed and name not in following:
                placed.add(name)
                published = beside.pairs[name]
                body.append(_cells(published, columns, caveats, f"↳ published: {published.label}"))
                lines.append(None)
    body += [
        _cells(row, columns, caveats, name_of(row))
        for row in beside.published
        if row.row not in placed
    ]
    lines += [None] * (len(body) - len(lines))
    notes = notes_beside(rows, columns, beside, caveats)
    return replace(table, rows=tuple(body), lines=tuple(lines), notes=(*table.notes, *notes))


def _cells(
    row: Published, columns: Sequence[Column], caveats: Caveats, label: str
) -> tuple[Cell, ...]:
    numbers = (
        Cell(
            _text(column, row),
            mark=_marks(row, column.key, caveats),
            grey=True,
            value=row.value(column.key),
            hover=row.source,
        )
        for column in columns
    )
    state = f"{STATE}{_marks(row, '', caveats)}"  # a text column: its marks are part of the text
    return (Cell(label, grey=True), *numbers, Cell("", grey=True), Cell(state, grey=True))


def _text(column: Column, row: Published) -> str:
    """A number with the digits that were printed, in our unit."""
    value = row.value(column.key)
    if value is None:
        return ABSENT
    if not column.is_metric:
        return column.text(value)
    return f"{Decimal(row.texts[column.key]).scaleb(round(math.log10(column.scale))):f}"


def _numbered(published: Sequence[Published], columns: Sequence[Column]) -> Caveats:
    """Caveats of what is shown, each with its mark and the rows that have it."""
    shown = {column.key for column in columns}
    found: Caveats = {}
    for row in published:
        for clause in row.caveat:
            keys = tuple(key for key in clause.keys if key in shown and key in row.texts)
            if keys or not clause.keys:
                mark = str(len(found) + 1).translate(_DIGITS)
                found.setdefault(replace(clause, keys=keys), (mark, []))[1].append(row.row)
    return found


def _marks(row: Published, key: str, caveats: Caveats) -> str:
    """Marks of the caveats of one number, or with key="" of those of a whole row."""
    return " ".join(
        mark
        for clause, (mark, rows) in caveats.items()
        if row.row in rows and (key in clause.keys if key else not clause.keys)
    )
