"""What a table is made of, free of any output format."""

from dataclasses import dataclass

from vqx.reporting.frame import Row
from vqx.reporting.notes import Note

# Columns that are text, by their keys.
TEXT_KEYS = ("row", "state", "pairs")


@dataclass(frozen=True, slots=True)
class Cell:
    """A number with its spread, or a text; `mark` refers to a note of its column.

    `best` and `second`: ranked so among its column's rows. `grey`: not ours. `value`: the number
    as stored, in the unit of result.json, None for a text. `hover`: how the number came about (n,
    each seed's value, the protocol), for formats that can show it on demand.
    """

    text: str
    spread: str = ""
    mark: str = ""
    best: bool = False
    second: bool = False
    grey: bool = False
    value: float | None = None
    hover: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A heading and cells a row; the first column and the last are text, the others numbers.

    `keys`: the key of each column, "row", "n", "state" and the like for those that are no metric;
    with them it is these that say which columns are text. `lines`:
    the row of ours that each line shows, None for what others published. `name`: what tells this
    table from others of the same report; "" for the only or first one.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[Note, ...]
    keys: tuple[str, ...] = ()
    lines: tuple[Row | None, ...] = ()
    name: str = ""

    @property
    def text_columns(self) -> tuple[int, ...]:
        """Left-aligned columns: what differs, and the state."""
        if self.keys:
            return tuple(i for i, key in enumerate(self.keys) if key in TEXT_KEYS)
        return 0, len(self.header) - 1
