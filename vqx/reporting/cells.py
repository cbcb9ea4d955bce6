"""What a table is made of, free of any output format."""

from dataclasses import dataclass

from vqx.reporting.notes import Note


@dataclass(frozen=True, slots=True)
class Cell:
    """A number with its spread, or a text; `mark` refers to a note of its column.

    `grey`: not ours.
    """

    text: str
    spread: str = ""
    mark: str = ""
    best: bool = False
    grey: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A heading and cells a row; the first column and the last are text, the others numbers."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[Note, ...]

    @property
    def text_columns(self) -> tuple[int, int]:
        """Left-aligned columns: what differs, and the state."""
        return 0, len(self.header) - 1
