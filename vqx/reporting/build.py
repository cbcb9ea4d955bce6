"""From options to tables: runs are found, grouped, named, and set beside each other."""

import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vqx.errors import ConfigError, VqxError
from vqx.guard import nearest
from vqx.reporting.beside import Beside, name_by_published
from vqx.reporting.cells import Table
from vqx.reporting.columns import columns_of
from vqx.reporting.comparison import baseline_row, compare
from vqx.reporting.frame import Frame, build_frame
from vqx.reporting.main_table import build_table, find_column
from vqx.reporting.notes import Note
from vqx.reporting.options import KEYS, Options, results
from vqx.reporting.pivot import pivot
from vqx.reporting.published import read_tables
from vqx.reporting.selection import select
from vqx.reporting.sweep import sweep_runs
from vqx.runs.reading import Run, Skipped, read_runs

_PIVOTED = ("psnr",)  # where no columns are named


@dataclass(frozen=True, slots=True)
class Report:
    """What a report shows: the main table first, then differences or further pivots.

    `frame`: the rows behind the tables; `skipped`: folders that are no runs.
    """

    options: Options
    frame: Frame
    tables: tuple[Table, ...]
    beside: Beside | None
    skipped: tuple[Skipped, ...]


def build_report(options: Options, *, hover: bool = False) -> Report:
    """The report that `options` ask for. `hover`: fill in what cells tell on demand.

    Raises VqxError when there are no such runs, ConfigError for a name that means nothing.
    """
    published = read_tables(options.published)  # first: a wrong name needs no runs to be seen
    runs, notes, skipped = find_runs(options)
    separate = options.seeds == "separate"
    in_order = options.sweep is not None
    frame, beside = build_frame(runs, separate_seeds=separate, in_order=in_order), None
    if published:
        frame, beside = name_by_published(frame, published, separate_seeds=separate)
    copies = [
        Note("left out", f"{copy.folder.path}: same configuration and seed as {kept.folder.path}")
        for copy, kept in frame.copies
    ]
    frame, left_out = _chosen(_renamed(frame, options.names), options.rows)
    if beside is not None:
        repeats = {options.names.get(label, label): of for label, of in beside.repeats.items()}
        beside = replace(beside, repeats=repeats)
    tables = _tables(frame, options, beside, [*notes, *copies, *left_out], hover=hover)
    return Report(options, frame, tables, beside, tuple(skipped))


def find_runs(options: Options) -> tuple[list[Run], list[Note], list[Skipped]]:
    """The runs asked for, what to say about the choice, and folders that are none.

    Raises VqxError when there are none, saying where it looked.
    """
    if options.sweep is not None:
        runs, notes = sweep_runs(options.sweep)
        return (*_where(runs, notes, options), [])
    places = options.runs or (str(results() / "runs"),)
    nowhere = [place for place in places if not glob.glob(str(Path(place).expanduser()))]
    if nowhere and len(places) > 1:
        raise ConfigError(f"runs={nowhere[0]}: there is no such folder, nor a pattern that fits")
    found, skipped = read_runs(places)
    where = ", ".join(places)
    if not found:
        seen = f" ({len(skipped)} other folders)" if skipped else ""
        raise VqxError(f"no runs in {where}{seen}: make one with `python -m vqx.train`")
    runs = select(found, options.filters, options=KEYS)
    if not runs:
        asked = " ".join(f"{key}={value}" for key, value in options.filters.items())
        raise VqxError(f"none of the {len(found)} runs in {where} has {asked}")
    return (*_where(runs, [], options), skipped)


def _where(runs: list[Run], notes: list[Note], options: Options) -> tuple[list[Run], list[Note]]:
    if options.where is None:
        return runs, notes
    from vqx.reporting.where import matching

    kept = matching(runs, options.where)
    if not kept:
        raise VqxError(f"none of the {len(runs)} runs is one where {options.where}")
    return kept, [*notes, Note("where", f"{options.where}: {len(kept)} of {len(runs)} runs")]


def _renamed(frame: Frame, names: Mapping[str, str]) -> Frame:
    """`frame` with some rows called otherwise. Raises ConfigError for a row that is not there."""
    labels = [row.label for row in frame.rows]
    for label in names:
        if label not in labels:
            raise _no_row("names", label, labels)
    new = [names.get(label, label) for label in labels]
    if twice := sorted({label for label in new if new.count(label) > 1} if names else ()):
        raise ConfigError(f"names: two rows would be called '{twice[0]}'")
    rows = (
        row if row.label == label else replace(row, label=label)
        for row, label in zip(frame.rows, new, strict=True)
    )
    return replace(frame, rows=tuple(rows))


def _chosen(frame: Frame, labels: Sequence[str]) -> tuple[Frame, list[Note]]:
    """The rows called so, in this order, and a note that names the others."""
    if not labels:
        return frame, []
    rows = {row.label: row for row in frame.rows}
    for label in labels:
        if label not in rows:
            raise _no_row("rows", label, list(rows))
    others = [label for label in rows if label not in labels]
    notes = [Note("not shown", ", ".join(others))] if others else []
    return replace(frame, rows=tuple(rows[label] for label in dict.fromkeys(labels))), notes


def _no_row(key: str, label: str, labels: Sequence[str]) -> ConfigError:
    there = ", ".join(labels)
    return ConfigError(f"{key}: no row '{label}'{nearest(label, labels)}; there are: {there}")


def _tables(
    frame: Frame, options: Options, beside: Beside | None, notes: Sequence[Note], *, hover: bool
) -> tuple[Table, ...]:
    known = columns_of([result for row in frame.rows for result in row.results])
    if options.pivot is not None:
        columns = [find_column(known, key) for key in options.columns or _PIVOTED]
        return tuple(
            pivot(frame, column, options.pivot, spread=options.spread, notes=notes)
            for column in columns
        )
    main = build_table(
        frame,
        columns=options.columns,
        sort=options.sort,
        beside=beside,
        notes=notes,
        spread=options.spread,
        hover=hover,
    )
    if options.baseline is None:
        return (main,)
    rows = [row for row in main.lines if row is not None]
    shown = [column for column in known if column.key in main.keys]
    return (main, *compare(rows, baseline_row(rows, options.baseline), shown))
