"""The live table as lines of text."""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vqx.reporting.columns import COLUMNS, Column
from vqx.runs.durations import duration
from vqx.watching.entry import Entry
from vqx.watching.states import RESULTS, Stage

_GAP = "  "
_BOLD, _DIM, _RESET = "\033[1m", "\033[2m", "\033[0m"
_COLOURS = {
    Stage.RUNNING: "\033[36m",
    Stage.STARTING: "\033[36m",
    Stage.DONE: "\033[32m",
    Stage.FAILED: "\033[31m",
    Stage.LOST: "\033[31m",
    Stage.REFUSED: "\033[31m",
    Stage.INTERRUPTED: "\033[33m",
    Stage.CANCELLED: "\033[33m",
    Stage.DIVERGED: "\033[35m",
    Stage.COLLAPSED: "\033[35m",
    Stage.QUEUED: _DIM,
    Stage.REQUEUED: _DIM,
    Stage.MISSING: _DIM,
}
_LEAST_NOTE = 24  # columns: narrower notes stand under their row
_LEAST_LABEL = 16
_DROPPED_FIRST = ("restarts", "images/s", "loss", "node", "job", "ETA")  # on a narrow terminal


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, texts only."""

    stage: Stage
    cells: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Lines:
    """A rendered table: heading, then for each row its lines."""

    heading: list[str]
    rows: list[list[str]]


@dataclass(frozen=True, slots=True)
class _Field:
    title: str
    text: Callable[[Entry], str]
    left: bool = False


def fields_of(metrics: Sequence[str]) -> list[_Field]:
    """The columns between label and note; `metrics` are keys of the report's columns."""
    known = {column.key: column for column in COLUMNS}
    chosen = [known[key] for key in metrics]
    return [
        _Field("state", lambda e: e.stage.value, left=True),
        _Field("step", _step),
        _Field("ETA", _eta),
        _Field("images/s", lambda e: _written(e.images_per_second, "{:,.0f}")),
        _Field("loss", lambda e: _written(e.loss, "{:.4g}")),
        *(_Field(_title(c), lambda e, c=c: _metric(e, c)) for c in chosen),  # type: ignore[misc]
        _Field("restarts", lambda e: str(e.restarts or "")),
        _Field("job", lambda e: e.job_id, left=True),
        _Field("node", lambda e: e.node, left=True),
    ]


def _title(column: Column) -> str:
    return f"{column.title} {column.unit}".strip()


def _step(entry: Entry) -> str:
    return f"{entry.step:,} / {entry.steps:,}" if entry.steps else ""


def _eta(entry: Entry) -> str:
    if entry.stage != Stage.RUNNING:
        return ""
    return "?" if entry.eta_seconds is None else duration(entry.eta_seconds)


def _metric(entry: Entry, column: Column) -> str:
    value = entry.metric(column)
    return "" if value is None else column.text(value)


def _written(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def note_of(entry: Entry) -> str:
    """What is to be said about a run, in one line, and where to read on."""
    said = " ".join(entry.note.split())
    if entry.stage in RESULTS and entry.stage != Stage.DIVERGED:
        return said
    if entry.stage in (Stage.FAILED, Stage.DIVERGED, Stage.INTERRUPTED) and entry.log:
        return f"{said} (see {entry.log})" if said else f"see {entry.log}"
    return said


def rows_of(entries: Sequence[Entry], labels: Sequence[str], fields: Sequence[_Field]) -> list[Row]:
    """Texts of all rows."""
    return [
        Row(entry.stage, (label, *(field.text(entry) for field in fields)), note_of(entry))
        for entry, label in zip(entries, labels, strict=True)
    ]


def render(
    rows: Sequence[Row],
    *,
    heading: str,
    fields: Sequence[_Field],
    width: int | None,
    coloured: bool,
    wrapped: bool,
) -> Lines:
    """The table in `width` columns (None: as wide as it is); columns without content are left out.

    Notes are wrapped below each other, or with `wrapped=False` cut.
    """
    titles = [heading, *(field.title for field in fields)]
    left = [True, *(field.left for field in fields)]
    sizes = _sizes(rows, titles, width)
    shown = sorted(sizes)
    aligned = [
        [_fit(row.cells[i], sizes[i], left=left[i]) for i in shown]
        for row in (Row(Stage.DONE, tuple(titles), ""), *rows)
    ]
    used = sum(sizes[i] for i in shown) + len(_GAP) * len(shown)
    header = _GAP.join(aligned[0]) + (f"{_GAP}note" if any(row.note for row in rows) else "")
    rule = "─" * min(used, width or used)
    styled = [f"{_BOLD}{cut(header, width)}{_RESET}", f"{_DIM}{rule}{_RESET}"]
    return Lines(
        styled if coloured else [cut(header.rstrip(), width), rule],
        [
            _row_lines(row, cells, used=used, width=width, coloured=coloured, wrapped=wrapped)
            for row, cells in zip(rows, aligned[1:], strict=True)
        ],
    )


def _sizes(rows: Sequence[Row], titles: Sequence[str], width: int | None) -> dict[int, int]:
    """Widths by the index of a column; where not all fit, the least telling ones are left out."""
    shown = [i for i in range(len(titles)) if i == 0 or any(row.cells[i] for row in rows)]
    sizes = {i: max([len(titles[i]), *(len(row.cells[i]) for row in rows)]) for i in shown}
    if width is None:
        return sizes
    dropped = [titles.index(title) for title in _DROPPED_FIRST]
    while (room := width - sum(sizes[i] + len(_GAP) for i in shown[1:])) < _LEAST_LABEL:
        narrower = next((i for i in dropped if i in shown), None)
        if narrower is None:
            break
        shown.remove(narrower)
    label = max(_LEAST_LABEL, width // 3, room - _LEAST_NOTE - len(_GAP))
    return {i: sizes[i] for i in shown} | {0: max(1, min(sizes[0], label, max(room, _LEAST_LABEL)))}


def _row_lines(
    row: Row, cells: list[str], *, used: int, width: int | None, coloured: bool, wrapped: bool
) -> list[str]:
    line = _GAP.join(cells)
    first, rest = _notes(row.note, used=used, width=width, wrapped=wrapped)
    plain = cut(f"{line}{_GAP}{first}".rstrip(), width)
    if coloured and len(cells) > 1:
        start = len(cells[0]) + len(_GAP)
        end = start + len(cells[1])
        state = f"{_COLOURS[row.stage]}{plain[start:end]}{_RESET}"
        plain = f"{plain[:start]}{state}{plain[end:]}"
    return [plain, *rest]


def _notes(note: str, *, used: int, width: int | None, wrapped: bool) -> tuple[str, list[str]]:
    """What of a note stands in its row, and the lines below."""
    if width is None or not note:
        return note, []
    room = width - used
    if not wrapped:
        return cut(note, max(1, room)), []
    lines = _paragraph(note, room)
    if room < _LEAST_NOTE or any(len(line) > room for line in lines):  # a path is to be copied
        return "", [f"    {x}" for x in _paragraph(note, width - 4)]
    return lines[0], [" " * used + line for line in lines[1:]]


def _paragraph(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(1, width), break_on_hyphens=False, break_long_words=False)


def _fit(text: str, size: int, *, left: bool) -> str:
    """`text` in `size` columns; of one too long both ends, since the seed stands at the end."""
    if len(text) > size:
        end = min(8, size // 3)
        text = f"{text[: size - end - 1]}…{text[len(text) - end :]}"
    return text.ljust(size) if left else text.rjust(size)


def cut(text: str, width: int | None) -> str:
    """`text` in `width` columns (None: whole)."""
    return text if width is None or len(text) <= width else f"{text[: width - 1]}…"
