r"""Tables for a paper in LaTeX: booktabs, and xcolor where rows of others are grey.

Made to be read in with \input as they are. A table wider than the text is set in a smaller font,
and if that is not enough in several parts below each other, each with the names of its rows: none
is scaled, and nothing is left out. Notes stand under the table; where they would not fit on its
page they follow it as a paragraph. Characters that LaTeX lacks: see `tex_text`.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from vqx.reporting.cells import Cell, Table
from vqx.reporting.notes import Note
from vqx.reporting.tex_columns import TexColumn, number_column, text_column
from vqx.reporting.tex_text import at_start, breakable, width

TEXT_WIDTH = 345.0  # pt, of the class article
_PAGE = 500.0  # pt of its height that a table may take
_LINES = 36  # of rows in one part


@dataclass(frozen=True, slots=True)
class _Font:
    """A size: its command, its em as measured in digits of Computer Modern, its line, in pt."""

    command: str
    em: float
    line: float
    gap: float  # between columns


_FONTS = (
    _Font("", 10.0, 12.0, 12.0),
    _Font(r"\small", 9.25, 11.0, 9.0),
    _Font(r"\footnotesize", 8.5, 9.5, 7.0),
)
_NOTES = _FONTS[-1]


def render_latex(
    tables: Sequence[Table],
    *,
    label: str,
    command: str = "",
    text_width: float = TEXT_WIDTH,
    environment: str = "table",
) -> str:
    r"""Floats with caption and \label, to be read in with \input.

    `label`: of the first or only table, the others' get their name behind it; `command`: what makes
    the file again, for its first line; `text_width`: room in pt; `environment`: `table*` spans two
    columns of a page.
    """
    names = _labels(label, tables)
    floats = [
        _Floats(table, name, text_width=text_width, environment=environment).render()
        for table, name in zip(tables, names, strict=True)
    ]
    return "\n\n".join(["\n".join(_header(command, "".join(floats))), *floats]) + "\n"


def render_document(latex: str) -> str:
    """A whole document around what `render_latex` gives, with the packages that it needs."""
    packages = [rf"\usepackage{{{name}}}" for name in _packages(latex)]
    return "\n".join(
        [r"\documentclass{article}", *packages, r"\begin{document}", latex, r"\end{document}", ""]
    )


def _packages(latex: str) -> list[str]:
    return ["booktabs", *(["xcolor"] if r"\textcolor{" in latex else [])]


def _header(command: str, latex: str) -> list[str]:
    plain = " ".join(command.split()).encode("ascii", "backslashreplace").decode()
    needed = ", ".join(_packages(latex))
    return [*([f"% Made by: {plain}"] if plain else []), f"% Packages needed: {needed}"]


def _labels(label: str, tables: Sequence[Table]) -> list[str]:
    """Labels that are all different, of characters that mean nothing else."""
    found: list[str] = []
    for place, table in enumerate(tables, start=1):
        whole = f"{label}-{table.name or place}" if place > 1 else label
        plain = re.sub(r"[^A-Za-z0-9:./+-]+", "-", whole)
        found.append(f"{plain}-{place}" if plain in found else plain)
    return found


class _Floats:
    """One table as one float, or several where a page does not hold it."""

    def __init__(self, table: Table, label: str, *, text_width: float, environment: str) -> None:
        self._table = table
        self._label = label
        self._width = text_width
        self._environment = environment
        self._font, self._parts = _parts(table, text_width)

    def render(self) -> str:
        """All floats, and the notes in the last of them or behind it."""
        notes = _notes(self._table)
        floats = self._packed()
        last = len(floats) - 1
        taken = sum(map(self._height, floats[last])) + self._notes_height(notes)
        inside = notes if taken <= self._room(first=last == 0) else ()
        texts = [
            self._float(parts, first=place == 0, notes=inside if place == last else ())
            for place, parts in enumerate(floats)
        ]
        if notes and not inside:
            title = rf"Notes on Table~\ref{{{self._label}}}."
            texts.append("\n".join([rf"\paragraph{{{title}}}", *_small_print(notes)]))
        return "\n\n".join(texts)

    def _packed(self) -> list[list["_Part"]]:
        """Parts in as few floats as hold them."""
        floats: list[list[_Part]] = [[]]
        for part in self._parts:
            heights = sum(map(self._height, [*floats[-1], part]))
            if floats[-1] and heights > self._room(first=len(floats) == 1):
                floats.append([])
            floats[-1].append(part)
        return floats

    def _room(self, *, first: bool) -> float:
        caption = 1 + width(self._table.caption) * _FONTS[0].em / self._width if first else 1.0
        return _PAGE - caption * _FONTS[0].line

    def _height(self, part: "_Part") -> float:
        return part.lines * self._font.line + 20

    def _notes_height(self, notes: Sequence[Note]) -> float:
        em = _NOTES.em / (0.97 * self._width)
        return sum(1 + int(width(f"{n.about}: {n.text}") * em) for n in notes) * _NOTES.line + 10

    def _float(self, parts: Sequence["_Part"], *, first: bool, notes: Sequence[Note]) -> str:
        caption = [rf"\caption{{{breakable(self._table.caption)}}}", rf"\label{{{self._label}}}"]
        again = [r"\addtocounter{table}{-1}", r"\caption[]{(continued)}"]
        tabulars = ["\n".join(part.render()) for part in parts]
        lines = [
            rf"\begin{{{self._environment}}}",
            r"\centering",
            r"\setlength{\belowcaptionskip}{6pt}",
            *(caption if first else again),
            *([self._font.command] if self._font.command else []),
            rf"\setlength{{\tabcolsep}}{{{self._font.gap / 2:g}pt}}",
            "\n\\par\\medskip\n".join(tabulars),
            *([r"\par\medskip", *_small_print(notes)] if notes else []),
            rf"\end{{{self._environment}}}",
        ]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Part:
    """Some columns of some rows."""

    columns: tuple[TexColumn, ...]
    rows: range

    @property
    def lines(self) -> int:
        """Lines of text, heading included."""
        return sum(max(c.lines[i] for c in self.columns) for i in (0, *(r + 1 for r in self.rows)))

    def render(self) -> list[str]:
        """A tabular, a line each row."""
        letters = "".join(column.letter for column in self.columns)
        return [
            rf"\begin{{tabular}}{{@{{}}{letters}@{{}}}}",
            r"\toprule",
            _line(column.heading for column in self.columns),
            r"\midrule",
            *(_line(column.cells[row] for column in self.columns) for row in self.rows),
            r"\bottomrule",
            r"\end{tabular}",
        ]


def _line(cells: Iterable[str]) -> str:
    return at_start(" & ".join(cells)) + r" \\"


def _parts(table: Table, text_width: float) -> tuple[_Font, list[_Part]]:
    """The largest font in which the table fits, and its parts: more than one in the smallest."""
    for font in _FONTS:
        columns = _columns(table, text_width / font.em)
        blocks = _blocks(columns, font, text_width)
        if len(blocks) == 1:
            break
    heights = [max(c.lines[i + 1] for c in columns) for i in range(len(table.rows))]
    return font, [_Part(tuple(b), piece) for piece in _pieces(heights) for b in blocks]


def _pieces(heights: Sequence[int]) -> list[range]:
    """Rows of so many lines each in pieces of no more than `_LINES`."""
    starts, used = [0], 0
    for row, height in enumerate(heights):
        if used + height > _LINES and row > starts[-1]:
            starts.append(row)
            used = 0
        used += height
    return [range(a, b) for a, b in pairwise([*starts, len(heights)])]


def _columns(table: Table, room: float) -> list[TexColumn]:
    """All columns, in a table whose text is `room` em wide."""
    columns = []
    for index, header in enumerate(table.header):
        cells: list[Cell] = [row[index] for row in table.rows]
        if index in table.text_columns:
            share = 0.2 if index else 0.36
            columns.append(text_column(header, cells, room=share * room))
        else:
            columns.append(number_column(header, cells))
    return columns


def _blocks(columns: Sequence[TexColumn], font: _Font, text_width: float) -> list[list[TexColumn]]:
    """Columns in as few blocks as fit and about as wide as each other."""
    blocks = _filled(columns, font, text_width)
    narrower = text_width
    while len(blocks) > 1 and narrower > 0.5 * text_width:
        narrower -= 0.02 * text_width
        again = _filled(columns, font, narrower)
        if len(again) > len(blocks):
            break
        blocks = again
    return blocks


def _filled(columns: Sequence[TexColumn], font: _Font, room: float) -> list[list[TexColumn]]:
    """Columns in blocks of `room` pt, the first column repeated in each."""
    name, *rest = columns
    blocks, used = [[name]], name.width * font.em
    for column in rest:
        needed = font.gap + column.width * font.em
        if used + needed > room and len(blocks[-1]) > 1:
            blocks.append([name])
            used = name.width * font.em
        blocks[-1].append(column)
        used += needed
    return blocks


def _notes(table: Table) -> list[Note]:
    """The table's notes, after what its letters mean."""
    cells = [cell for row in table.rows for cell in row]
    ranks = {
        "bold": "ranked best" if any(cell.best for cell in cells) else "",
        "underlined": "ranked second" if any(cell.second for cell in cells) else "",
    }
    return [*(Note(about, text) for about, text in ranks.items() if text), *table.notes]


def _small_print(notes: Sequence[Note]) -> list[str]:
    """A paragraph each note."""
    lines = [rf"\textbf{{{breakable(note.about)}}}: {breakable(note.text)}\par" for note in notes]
    return [rf"{{{_NOTES.command}\raggedright\setlength{{\parindent}}{{0pt}}", *lines, "}"]
