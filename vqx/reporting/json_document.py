"""A report as JSON for programs: every number with full precision, and the tables as they are read.

    schema   "vqx-report-1"; a change that breaks readers changes the number
    vqx      the version that wrote it
    heading  what labels of rows are values of
    unsaid   key -> text: what holds for all rows whose label does not say otherwise
    common   key -> text: what all rows share, though the files of conf/ say another
    columns  {key, title, unit, scale, better}: every number that some run has. `better` is
             "higher", "lower" or null; tables show number times scale, in `unit`
    rows     ours: {label, varying: key -> text, n, state, discrete, runs, numbers}
             runs     {folder, signature, seed, state, note}
             numbers  key -> {mean, std, n, values, stamps}, in the unit of result.json. `values`
                      has one for each of `runs`, null where it has none; `std` is null of one;
                      `stamps` tells how a metric was measured: several are not comparable
    tables   {name, caption, columns: {key, title}, rows, notes: {about, text}}
             rows     {label, published, cells}, for each column {text, spread, mark, value, best,
                      second}. Ours have their numbers above, under the same label; `published`
                      ones are of others, as they printed them

Null is a number that there is not; one that is not finite is the string "NaN", "Infinity" or
"-Infinity", which Python's float() reads.
"""

import json
import math
from collections.abc import Sequence
from typing import Any

import vqx
from vqx.reporting.cells import Cell, Table
from vqx.reporting.column_cells import summary_of
from vqx.reporting.columns import Column, columns_of
from vqx.reporting.frame import Frame, Row, seed_of, state_word
from vqx.reporting.main_table import runs_text
from vqx.reporting.stamps import stamp_of
from vqx.runs.reading import Run

SCHEMA = "vqx-report-1"


def render_json(tables: Sequence[Table], frame: Frame) -> str:
    """The document described above; the same rows give the same bytes."""
    results = [result for row in frame.rows for result in row.results]
    columns = [c for c in columns_of(results) if any(c.value(r) is not None for r in results)]
    document = {
        "schema": SCHEMA,
        "vqx": vqx.__version__,
        "heading": frame.heading,
        "unsaid": frame.unsaid,
        "common": frame.common,
        "columns": [_column(column) for column in columns],
        "rows": [_row(row, columns) for row in frame.rows],
        "tables": [_table(table) for table in tables],
    }
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def _column(column: Column) -> dict[str, Any]:
    return {
        "key": column.key,
        "title": column.title,
        "unit": column.unit,
        "scale": column.scale,
        "better": column.better,
    }


def _row(row: Row, columns: Sequence[Column]) -> dict[str, Any]:
    return {
        "label": row.label,
        "varying": row.varying,
        "n": len(row.results),
        "state": runs_text(row),
        "discrete": row.discrete,
        "runs": [_run(run) for run in row.runs],
        "numbers": {c.key: _numbers(c, row) for c in columns if summary_of(c, row) is not None},
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "folder": str(run.folder.path),
        "signature": run.signature,
        "seed": seed_of(run),
        "state": state_word(run),
        "note": run.note,
    }


def _numbers(column: Column, row: Row) -> dict[str, Any]:
    summary = summary_of(column, row)
    assert summary is not None  # a row's numbers are those that it has
    found = (stamp_of(column.key, r, name_images=True) for r in row.results if column.is_metric)
    return {
        "mean": _number(summary.mean),
        "std": _number(summary.std),
        "n": summary.n,
        "values": [_number(column.value(run.result)) for run in row.runs],
        "stamps": list(dict.fromkeys(stamp for stamp in found if stamp is not None)),
    }


def _number(value: float | None) -> float | str | None:
    """A number that JSON can hold, or its name."""
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _table(table: Table) -> dict[str, Any]:
    keys = table.keys or table.header
    return {
        "name": table.name,
        "caption": table.caption,
        "columns": [
            {"key": key, "title": title} for key, title in zip(keys, table.header, strict=True)
        ],
        "rows": [
            {
                "label": cells[0].text,
                "published": cells[0].grey,
                "cells": [_cell(cell) for cell in cells],
            }
            for cells in table.rows
        ],
        "notes": [{"about": note.about, "text": note.text} for note in table.notes],
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "text": cell.text,
        "spread": cell.spread,
        "mark": cell.mark,
        "value": _number(cell.value),
        "best": cell.best,
        "second": cell.second,
    }
