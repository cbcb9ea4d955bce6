"""Tables as plain data for the page's own code: columns with their direction, cells, notes."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from vqx.reporting.cells import Cell, Table
from vqx.reporting.columns import ABSENT, Column, columns_of
from vqx.reporting.directions import direction
from vqx.reporting.frame import Frame

_POWER = {"": 1.0, "k": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}
_WRITTEN = re.compile(r"([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?: ([kMBGT]))?")
_HOVER_LINE = re.compile(r"\n|; ")
_ARROWS = {"↑": "higher", "↓": "lower"}


class Texts:
    """Distinct texts by number: what a thousand cells say of their protocol is kept once."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._index: dict[str, int] = {}

    def number(self, text: str) -> int:
        """The number of `text`, new or known."""
        if text not in self._index:
            self._index[text] = len(self.found)
            self.found.append(text)
        return self._index[text]


def columns_known(frame: Frame) -> dict[str, Column]:
    """Columns of the frame's results by key."""
    return {column.key: column for column in columns_of([r for w in frame.rows for r in w.results])}


def extra_keys(table: Table, frame: Frame) -> list[str]:
    """Columns that some run has a number for and `table` does not show."""
    if not table.keys or table.keys[0] != "row":
        return []
    results = [result for row in frame.rows for result in row.results]
    return [
        key
        for key, column in columns_known(frame).items()
        if key not in table.keys and any(column.value(result) is not None for result in results)
    ]


def table_data(
    table: Table, frame: Frame, texts: Texts, *, extra: Table | None = None
) -> dict[str, Any]:
    """`table` with the columns of `extra`, a table of the same frame, hidden before the last two.

    `rows` has for each line `row` (index into the frame, None for what others published) and
    `cells`. Raises ValueError for a line whose row is not in the frame.
    """
    known = columns_known(frame)
    places = {row.label: index for index, row in enumerate(frame.rows)}
    keys = table.keys or tuple(map(str, range(len(table.header))))
    columns = [_column(key, table.header[i], known) for i, key in enumerate(keys)]
    for i, key in enumerate(keys):
        if key in keys[:i]:  # as in a pivot, where all columns are of one metric
            columns[i]["key"] = f"{key}-{i}"
    for i in table.text_columns:
        columns[i]["text"] = True
    lines = [_place(table, index, places) for index in range(len(table.rows))]
    rows = [
        {
            "row": line,
            "cells": [_cell(c, known.get(k), texts) for c, k in zip(r, keys, strict=True)],
        }
        for line, r in zip(lines, table.rows, strict=True)
    ]
    if extra is not None:
        _widen(columns, rows, table_data(extra, frame, texts))
    return {
        "name": table.name,
        "caption": table.caption,
        "columns": columns,
        "rows": rows,
        "notes": [{"about": note.about, "text": note.text} for note in table.notes],
    }


def _place(table: Table, index: int, places: Mapping[str, int]) -> int | None:
    if not table.lines:
        return places.get(table.rows[index][0].text)
    row = table.lines[index]
    if row is not None and row.label not in places:
        raise ValueError(f"line {index} of the table is of no row of the frame: {row.label}")
    return None if row is None else places[row.label]


def _column(key: str, header: str, known: Mapping[str, Column]) -> dict[str, Any]:
    """What the page must know of a column; without a Column, its header's arrow tells."""
    column = known.get(key)
    arrow = next((_ARROWS[letter] for letter in header if letter in _ARROWS), None)
    found: dict[str, Any] = {"key": key, "title": header}
    if better := (column.better if column else arrow):
        found["better"] = better
    if trade := (direction(column) if column else arrow):
        found["trade"] = trade
    return found


def _widen(
    columns: list[dict[str, Any]], rows: Sequence[dict[str, Any]], extra: dict[str, Any]
) -> None:
    """Put the middle columns of `extra` before the last two columns (n and state), hidden."""
    middle = slice(1, len(extra["columns"]) - 2)
    by_row = {line["row"]: line["cells"][middle] for line in extra["rows"]}
    new = [{**column, "hidden": True} for column in extra["columns"][middle]]
    columns[-2:-2] = new
    for line in rows:
        blank: list[dict[str, Any]] = [{"text": "", "grey": True} for _ in new]
        line["cells"][-2:-2] = by_row.get(line["row"], blank)


def _cell(cell: Cell, column: Column | None, texts: Texts) -> dict[str, Any]:
    """A cell without what is usual; `number` and `error` (its spread) in the column's own unit."""
    found: dict[str, Any] = {"text": cell.text}
    flags = {"best": cell.best, "second": cell.second, "grey": cell.grey}
    found.update({name: True for name, on in flags.items() if on})
    found.update({k: v for k, v in (("spread", cell.spread), ("mark", cell.mark)) if v})
    number = written_number(cell.text)
    if cell.value is not None:
        number = cell.value * (column.scale if column else 1.0)
    numbers = {"number": number, "error": written_number(cell.spread)}
    found.update({k: v for k, v in numbers.items() if v is not None and math.isfinite(v)})
    if cell.hover:
        found["hover"] = [texts.number(line) for line in _HOVER_LINE.split(cell.hover) if line]
    return found


def written_number(text: str) -> float | None:
    """The number that a text is, `662.1 k` and `2^18` too; None for any other text."""
    if text in ("", ABSENT):
        return None
    plain = text.replace(",", "")
    if re.fullmatch(r"2\^\d{1,3}", plain):
        return float(2 ** int(plain[2:]))
    found = _WRITTEN.fullmatch(plain)
    return float(found[1]) * _POWER[found[2] or ""] if found else None
