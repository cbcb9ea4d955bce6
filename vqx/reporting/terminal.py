"""Tables as text for a terminal of a given width."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from vqx.reporting.cells import Cell, Table
from vqx.reporting.wrapping import hanging

_GAP = "  "
_BOLD, _DIM, _UNDERLINED, _RESET = "\033[1m", "\033[2m", "\033[4m", "\033[0m"


def render_terminal(table: Table, *, width: int, bold: bool) -> str:
    """The table in at most `width` columns where that can be done; nothing is left out.

    A table too wide is set in blocks of whole columns, each with the rows' names before it. Best
    values are bold and second ones underlined, or with `bold=False` (no terminal) they have a star
    and a ring.
    """
    columns = _columns(table, bold=bold, width=width)
    lines = textwrap.wrap(table.caption, max(20, width))
    for block in _blocks(columns, width):
        lines += ["", *_block(block, bold=bold)]
    if table.notes:
        lines += ["", *_notes(table, width)]
    if not bold and any(cell.best for row in table.rows for cell in row):
        ring = ", ° second" if any(cell.second for row in table.rows for cell in row) else ""
        lines.append(f"* best of its column{ring}")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class _Column:
    """Lines of text of one column: the header's, then those of each row."""

    header: str
    cells: list[list[str]]
    styles: list[str]
    left: bool
    width: int


def _columns(table: Table, *, bold: bool, width: int) -> list[_Column]:
    columns = []
    for index, header in enumerate(table.header):
        cells = [row[index] for row in table.rows]
        if left := index in table.text_columns:
            texts = [_wrapped(cell.text, max(24, width // 4)) for cell in cells]
        else:
            texts = [[text] for text in _numbers(cells, starred=not bold)]
        styles = [_style(cell) if bold else "" for cell in cells]
        longest = max(map(len, [header, *(line for lines in texts for line in lines)]))
        columns.append(_Column(header, texts, styles, left, longest))
    return columns


def _style(cell: Cell) -> str:
    return _DIM if cell.grey else _BOLD if cell.best else _UNDERLINED if cell.second else ""


def _wrapped(text: str, width: int) -> list[str]:
    if len(text) <= width and text.isprintable() and text and text == text.strip():
        return [text]  # as nearly all are, of thousands
    return textwrap.wrap(text, width, subsequent_indent="  ", break_on_hyphens=False) or [""]


def _numbers(cells: Sequence[Cell], *, starred: bool) -> list[str]:
    """Numbers with means, spreads and marks below each other."""
    marks = [cell.mark + (_star(cell) if starred else "") for cell in cells]
    numbers = _pointed(cells)
    mean = max(map(len, numbers), default=0)
    spread = max((len(cell.spread) for cell in cells), default=0)
    mark = max(map(len, marks), default=0)
    texts = []
    for cell, number, own in zip(cells, numbers, marks, strict=True):
        room = spread and spread + 3
        between = f" ± {cell.spread.rjust(spread)}" if cell.spread else " " * room
        end = own + between if cell.grey else between + own
        texts.append(number.rjust(mean) + end.ljust(room + mark))
    return texts


def _star(cell: Cell) -> str:
    return "*" if cell.best else "°" if cell.second else ""


def _pointed(cells: Sequence[Cell]) -> list[str]:
    """Texts of numbers; beside numbers of others, which have any decimals, points stay aligned."""
    if not any(cell.grey for cell in cells):
        return [cell.text for cell in cells]
    places = max(_decimals(cell.text) for cell in cells)
    return [
        cell.text + " " * (places - _decimals(cell.text)) if cell.text[-1:].isdigit() else cell.text
        for cell in cells
    ]


def _decimals(text: str) -> int:
    """Characters from the point of a number on; 0 for a text that ends in no digit."""
    return len(text) - text.index(".") if "." in text and text[-1:].isdigit() else 0


def _blocks(columns: list[_Column], width: int) -> list[list[_Column]]:
    """Columns in as few blocks as fit, the first column repeated in each."""
    name, *rest = columns
    blocks: list[list[_Column]] = [[name]]
    used = name.width
    for column in rest:
        needed = len(_GAP) + column.width
        if used + needed > width and len(blocks[-1]) > 1:
            blocks.append([name])
            used = name.width
        blocks[-1].append(column)
        used += needed
    return blocks


def _block(columns: list[_Column], *, bold: bool) -> list[str]:
    header = _GAP.join(_aligned(c.header, c) for c in columns).rstrip()
    rule = "─" * sum((len(_GAP) * (len(columns) - 1), *(c.width for c in columns)))
    lines = [
        f"{_BOLD}{header}{_RESET}" if bold else header,
        f"{_DIM}{rule}{_RESET}" if bold else rule,
    ]
    for row in range(len(columns[0].cells)):
        height = max(len(column.cells[row]) for column in columns)
        lines += [_GAP.join(_at(c, row, i) for c in columns).rstrip() for i in range(height)]
    return lines


def _at(column: _Column, row: int, line: int) -> str:
    texts = column.cells[row]
    text = _aligned(texts[line] if line < len(texts) else "", column)
    style = column.styles[row]
    return f"{style}{text}{_RESET}" if style and text.strip() else text


def _aligned(text: str, column: _Column) -> str:
    return text.ljust(column.width) if column.left else text.rjust(column.width)


def _notes(table: Table, width: int) -> list[str]:
    """Notes with their subjects in a column of their own."""
    indent = min(max(len(note.about) for note in table.notes), max(12, width // 4)) + len(_GAP)
    return [
        line
        for note in table.notes
        for line in hanging(note.about, note.text, indent=indent, width=width)
    ]
