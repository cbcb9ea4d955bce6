"""Tables as CSV, with full precision: one of rows, one of runs."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from vqx.reporting.beside import Beside
from vqx.reporting.cells import TEXT_KEYS, Table
from vqx.reporting.column_cells import summary_of
from vqx.reporting.columns import Column, columns_of, filled
from vqx.reporting.frame import Frame, Row, is_discrete, seed_of, state_word
from vqx.reporting.main_table import runs_text
from vqx.reporting.numbers import numbers_of
from vqx.reporting.published import Clause, Published, name_of
from vqx.runs.reading import Run


def render_rows(frame: Frame, beside: Beside | None = None) -> str:
    """One line a row of the table: mean, standard deviation and n of every number.

    Units are those of result.json: usage as a fraction, time in seconds. With `beside`, lines of
    published rows follow, told from ours by the column `source`; their means are as printed, and
    `repeats` has their own name.
    """
    return _render(rows_of(frame, beside))


def rows_of(frame: Frame, beside: Beside | None = None) -> list[dict[str, Any]]:
    """The lines of `render_rows`, each by its columns."""
    columns = _columns(frame)
    lines = []
    for row in frame.rows:
        line = {
            "row": row.label,
            **({"source": "vqx", "repeats": " ".join(beside.repeated(row))} if beside else {}),
            **_varying(row),
            "discrete": _truth(row.discrete),
            "state": runs_text(row),
        }
        for column in columns:
            line.update(_folded(column, row))
        lines.append(line)
    return [*lines, *map(_published, beside.published if beside else ())]


def _published(row: Published) -> dict[str, Any]:
    return {
        "row": name_of(row),
        "source": "published",
        "repeats": row.row,
        "published.label": row.label,
        "published.data": row.data,
        "published.resolution": row.resolution,
        "published.downsampling": row.downsampling,
        **{f"{key}_mean": text for key, text in row.texts.items()},
        "published.source": row.source,
        "published.protocol": _clauses(row.protocol),
        "published.caveat": _clauses(row.caveat),
    }


def _clauses(clauses: Sequence[Clause]) -> str:
    return "; ".join(": ".join(filter(None, (", ".join(c.keys), c.text))) for c in clauses)


def _columns(frame: Frame) -> list[Column]:
    results = [result for row in frame.rows for result in row.results]
    return filled(columns_of(results), results)


def _folded(column: Column, row: Row) -> dict[str, Any]:
    summary = summary_of(column, row)
    mean, std, n = (f"{column.key}_{what}" for what in ("mean", "std", "n"))
    if summary is None:
        return {mean: None, std: None, n: 0}
    return {mean: summary.mean, std: summary.std, n: summary.n}


def _truth(value: bool | None) -> str:
    return "" if value is None else str(value).lower()


def _varying(row: Row) -> dict[str, str]:
    return {f"config.{key}": text for key, text in row.varying.items()}


def render_table(table: Table) -> str:
    """The lines of a table that is not one of rows and columns alone: differences, a pivot.

    Of each number its value, and where there is one its spread and mark as the table shows them.
    """
    lines = []
    for row in table.rows:
        line: dict[str, Any] = {}
        for key, cell in zip(table.keys, row, strict=True):
            line[key] = cell.text if cell.value is None else cell.value
            if key not in TEXT_KEYS:
                line |= {f"{key}_spread": cell.spread, f"{key}_mark": cell.mark}
        lines.append(line)
    return _render(lines)


def runs_of(frame: Frame) -> list[dict[str, Any]]:
    """The lines of `render_runs`, each by its columns."""
    columns = _columns(frame)
    lines = []
    for row in frame.rows:
        numbers = zip(*(numbers_of(column, row) for column in columns), strict=True)
        lines += [_run(r, row, columns, n) for r, n in zip(row.runs, numbers, strict=True)]
    return lines


def render_runs(frame: Frame) -> str:
    """One line a run: where it is, its state, what differs, its numbers and their stamps."""
    return _render(runs_of(frame))


def _run(
    run: Run, row: Row, columns: Sequence[Column], numbers: Sequence[float | None]
) -> dict[str, Any]:
    git, packages = run.environment.get("git") or {}, run.environment.get("packages") or {}
    metrics = (run.result or {}).get("metrics") or {}
    stamped = [column.key for column in columns if column.is_metric]
    return {
        "folder": str(run.folder.path),
        "signature": run.signature,
        "row": row.label,
        **_varying(row),
        "discrete": None if run.result is None else _truth(is_discrete(run.result)),
        "seed": seed_of(run),
        "state": state_word(run),
        "note": run.note,
        **{column.key: number for column, number in zip(columns, numbers, strict=True)},
        "commit": git.get("commit"),
        "dirty": git.get("dirty"),
        "torch": packages.get("torch"),
        "device": run.environment.get("device"),
        **{f"{key}_stamp": (metrics.get(key) or {}).get("stamp") for key in stamped},
    }


def _render(lines: Sequence[Mapping[str, Any]]) -> str:
    """Lines under the union of their keys, kept in the order in which keys follow each other."""
    keys: list[str] = []
    for line in dict.fromkeys(map(tuple, lines)):
        place = 0
        for key in line:
            if key in keys:
                place = keys.index(key) + 1
            else:
                keys.insert(place, key)
                place += 1
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(keys)
    blank = dict.fromkeys(keys)
    writer.writerows({**blank, **line}.values() for line in lines)
    return text.getvalue()
