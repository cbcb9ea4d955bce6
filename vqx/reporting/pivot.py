"""Two-way tables: one metric, rows by one key of the configuration and columns by another."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vqx.errors import ConfigError
from vqx.guard import nearest
from vqx.reporting.cells import Cell, Table
from vqx.reporting.column_cells import Spread, cells_of, reading_notes
from vqx.reporting.columns import ABSENT, Column
from vqx.reporting.frame import Frame, Row, natural, seed_of
from vqx.reporting.notes import Note, caption, notes_of
from vqx.reporting.stamps import stamps_of

_SEED = "seed"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys whose values are rows and columns, as row names write them (`levels`, `steps`)."""

    rows: str
    columns: str


def pivot(
    frame: Frame, column: Column, keys: Keys, *, spread: Spread = "std", notes: Sequence[Note] = ()
) -> Table:
    """The table of one column over two keys that differ between the rows of `frame`.

    Raises ConfigError for a key that does not differ, or where two rows would share a cell.
    """
    for key in (keys.rows, keys.columns):
        _check(key, frame)
    rows = list(frame.rows)
    stamps = stamps_of(column, rows) if column.is_metric else None
    cells = cells_of(column, rows, stamps, spread=spread)
    places: dict[tuple[str, str], int] = {}
    for i, row in enumerate(rows):
        place = (_value(row, keys.rows), _value(row, keys.columns))
        if (other := places.setdefault(place, i)) != i:
            raise ConfigError(
                f"pivot={keys.rows},{keys.columns}: '{rows[other].label}' and '{row.label}' fall "
                f"into one cell ({place[0]}, {place[1]}): select one of them"
            )
    ups, acrosses = (sorted({place[i] for place in places}, key=natural) for i in (0, 1))
    body = [
        (Cell(up), *(_at(places.get((up, across)), cells, rows) for across in acrosses))
        for up in ups
    ]
    said = notes_of(rows, [column], {column.key: stamps} if stamps else {})
    return Table(
        caption=f"{column.header}: {keys.rows} by {keys.columns} · {caption(frame)}",
        header=(f"{keys.rows} \\ {keys.columns}", *acrosses),
        rows=tuple(body),
        notes=(*notes, *said, *reading_notes([cells], rows, spread)),
        keys=("row", *(f"{column.key}:{across}" for across in acrosses)),
        lines=(None,) * len(body),
        name=column.key,
    )


def _check(key: str, frame: Frame) -> None:
    known = list(dict.fromkeys(name for row in frame.rows for name in row.varying))
    if all(len(row.runs) == 1 for row in frame.rows):
        known.append(_SEED)
    if key == _SEED and key not in known:
        raise ConfigError("pivot: seeds are folded into one number: seeds=separate parts them")
    if key not in known:
        raise ConfigError(
            f"pivot: '{key}' does not differ between these rows{nearest(key, known)}; what does: "
            f"{', '.join(known) or 'nothing'}"
        )


def _value(row: Row, key: str) -> str:
    if key == _SEED and _SEED not in row.varying:
        return str(seed_of(row.runs[0]))  # checked: each row is one run
    return row.varying.get(key, ABSENT)


def _at(place: int | None, cells: Sequence[Cell], rows: Sequence[Row]) -> Cell:
    """The cell of a row, with its state where that is not plainly done."""
    if place is None:
        return Cell("")
    cell = cells[place]
    if cell.text == ABSENT and not rows[place].results:
        from vqx.reporting.main_table import runs_text

        return replace(cell, text=runs_text(rows[place]))
    return cell
