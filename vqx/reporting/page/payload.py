"""Everything a page shows, as one tree of plain data."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import vqx
from vqx.errors import VqxError
from vqx.reporting.cells import Table
from vqx.reporting.columns import Column
from vqx.reporting.frame import Row, seed_of, state_word
from vqx.reporting.main_table import build_table
from vqx.reporting.page.configurations import side_by_side
from vqx.reporting.page.content import Page
from vqx.reporting.page.curves import curves_of, read_lines
from vqx.reporting.page.limits import (
    CURVE_BYTES,
    ERROR_CHARACTERS,
    IMAGE_BYTES,
    Budget,
    seed_by_seed,
)
from vqx.reporting.page.lines import Texts, columns_known, extra_keys, table_data
from vqx.reporting.page.strips import INPUTS, OUTPUTS, Strips
from vqx.runs.reading import Run


def page_data(page: Page) -> dict[str, Any]:
    """What page/*.js reads; `left_out` says what the page is too small for."""
    runs = page.frame.runs
    ids = {id(run): index for index, run in enumerate(runs)}
    contents = _Contents()
    read = {ids[id(run)]: contents.of(run) for run in seed_by_seed(page.frame.rows)}
    return {
        "title": page.title,
        "command": page.command,
        "version": vqx.__version__,
        "markdown": page.markdown,
        "latex": page.latex,
        **_tables(page),
        "metrics": {k: _metric(column) for k, column in columns_known(page.frame).items()},
        "rows": [_row(row, ids) for row in page.frame.rows],
        "runs": [_run(run) | read[index] for index, run in enumerate(runs)],
        "configurations": side_by_side(runs),
        "strips": contents.strips.found,
        "left_out": contents.left_out(),
    }


def _tables(page: Page) -> dict[str, Any]:
    """The tables, and the texts that their cells refer to."""
    texts = Texts()
    tables = []
    for index, table in enumerate(page.tables):
        more = extra_keys(table, page.frame) if index == 0 else []
        extra = _extra(page, more) if more else None
        tables.append(table_data(table, page.frame, texts, extra=extra))
    return {"tables": tables, "texts": texts.found}


def _extra(page: Page, keys: Sequence[str]) -> Table:
    return build_table(page.frame, columns=keys, spread=page.spread, hover=True)


def _metric(column: Column) -> dict[str, Any]:
    found: dict[str, Any] = {"title": column.title, "unit": column.unit, "scale": column.scale}
    return found | ({"better": column.better} if column.better else {})


def _row(row: Row, ids: Mapping[int, int]) -> dict[str, Any]:
    discrete = {} if row.discrete is not False else {"discrete": False}
    runs = [ids[id(run)] for run in row.runs]
    return {"label": row.label, "varying": row.varying, "runs": runs, **discrete}


def _run(run: Run) -> dict[str, Any]:
    return {
        "name": run.folder.path.name,
        "folder": str(run.folder.path),
        "seed": seed_of(run),
        "state": state_word(run),
        "note": run.note,
        "error": _traceback(run),
    }


def _traceback(run: Run) -> str:
    """The end of error.txt, where the cause stands; "" for a run that did not fail."""
    if run.result is not None:
        return ""
    try:
        with run.folder.error.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 4 * ERROR_CHARACTERS))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"error.txt cannot be read ({error.strerror})"
    whole = size <= 4 * ERROR_CHARACTERS and len(text) <= ERROR_CHARACTERS
    return text if whole else f"...{text[-ERROR_CHARACTERS:]}"


@dataclass(slots=True)
class _Contents:
    """Curves and images of runs, read in turn until the page is full."""

    strips: Strips = field(default_factory=lambda: Strips(Budget(IMAGE_BYTES)))
    curve_budget: Budget = field(default_factory=lambda: Budget(CURVE_BYTES))
    runs: int = 0

    def of(self, run: Run) -> dict[str, Any]:
        """Curves, strips and `faults` (what is missing or damaged, by name) of a run."""
        self.runs += 1
        if state_word(run) in ("missing", "queued"):
            return {"faults": []}
        faults: list[str] = []
        found: dict[str, Any] = {"faults": faults}
        if not self.curve_budget.refused:
            self._curves(run, found)
        else:
            self.curve_budget.take(0)
        for name in (INPUTS, OUTPUTS):
            try:
                strip = self.strips.add(run.folder.images / name)
            except VqxError as error:
                faults.append(str(error))
            else:
                found |= {} if strip is None else {name.removesuffix(".png"): strip}
        return found

    def _curves(self, run: Run, found: dict[str, Any]) -> None:
        try:
            lines, damaged = read_lines(run.folder.metrics)
        except VqxError as error:
            found["faults"].append(str(error))
            return
        if damaged:
            found["faults"].append(f"{damaged} damaged lines of metrics.jsonl left out")
        curves = curves_of(lines)
        if self.curve_budget.take(len(json.dumps(curves))):
            found["curves"] = curves

    def left_out(self) -> list[str]:
        """What the page lacks for its size."""
        texts = []
        for what, refused, limit in (
            ("curves of {} runs", self.curve_budget.refused, CURVE_BYTES),
            ("{} strips of images", self.strips.budget.refused, IMAGE_BYTES),
        ):
            if refused:
                size = f"more than {limit / 1e6:.0f} MB"
                texts.append(f"{what.format(refused)} are left out: together they take {size}")
        return texts
