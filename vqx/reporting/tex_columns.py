r"""Columns of a table in LaTeX: cells with numbers below each other, and how wide they are.

Points, plus-minus signs and marks of a column stand below each other: what a cell lacks beside its
neighbours is set as \phantom. Bold digits are wider in Computer Modern, not in Times.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from vqx.reporting.cells import Cell
from vqx.reporting.columns import ABSENT
from vqx.reporting.tex_text import at_start, breakable, escape, width

_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
_BETWEEN = r"\,$\pm$\,"
_LINES = 2  # of a heading, about, where its words allow
_BOLD = 0.4  # em that a number grows by


@dataclass(frozen=True, slots=True)
class TexColumn:
    r"""A column's heading, cells and letter in \begin{tabular}; widths in em of the font.

    `lines`: how many lines the heading and each cell take.
    """

    heading: str
    cells: tuple[str, ...]
    letter: str
    width: float
    lines: tuple[int, ...]


def number_column(header: str, cells: Sequence[Cell]) -> TexColumn:
    """A column of numbers, to the right."""
    texts = [_plain(cell) for cell in cells]
    bold = _BOLD if any(cell.best for cell in cells) else 0.0
    room = max((width(text) for text in texts), default=0.0) + bold
    lines = _wrapped(header, room)
    return TexColumn(
        heading=_stacked(lines, "r"),
        cells=tuple(_numbers(cells)),
        letter="r",
        width=max(room, *map(width, lines)),
        lines=(len(lines), *(1 for _ in cells)),
    )


def text_column(header: str, cells: Sequence[Cell], *, room: float) -> TexColumn:
    """A column of texts, to the left; those wider than `room` em are set in several lines."""
    lines = _wrapped(header, room)
    widths = [width(cell.text) for cell in cells]
    return TexColumn(
        heading=_stacked(lines, "l"),
        cells=tuple(map(_grey, cells, (_text(cell.text, room) for cell in cells))),
        letter="l",
        width=max((min(room, w) for w in (*widths, *map(width, lines))), default=0.0),
        lines=(len(lines), *(1 + int(1.15 * w / room) if w > room else 1 for w in widths)),
    )


def _text(text: str, room: float) -> str:
    if width(text) <= room:
        return escape(text)
    return rf"\parbox[t]{{{room:.1f}em}}{{\raggedright {breakable(text)}\strut}}"


def _wrapped(header: str, room: float) -> list[str]:
    """The words of a heading in lines of `room` em, or in as many as there may be."""
    words = re.split(r" (?![^↑↓]+$)|(?<![↑↓]) (?=[^ ]+$)", header)
    room = max(1.2 * room, *map(width, words), width(header) / _LINES)
    lines = [words[0]]
    for word in words[1:]:
        if width(f"{lines[-1]} {word}") <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _stacked(lines: Sequence[str], letter: str) -> str:
    """Lines above each other, the last on the line of the other headings."""
    if len(lines) == 1:
        return escape(lines[0])
    inner = r"\\".join(at_start(escape(line)) for line in lines)
    return rf"\begin{{tabular}}[b]{{@{{}}{letter}@{{}}}}{inner}\end{{tabular}}"


def _plain(cell: Cell) -> str:
    return cell.text + (f" ±{cell.spread}" if cell.spread else "") + cell.mark


def _numbers(cells: Sequence[Cell]) -> list[str]:
    spread = max((cell.spread for cell in cells), key=len, default="")
    mark = max((_mark(cell.mark) for cell in cells), key=len, default="")
    means = _padded([cell.text for cell in cells])
    spreads = _padded([cell.spread for cell in cells], left=True)
    texts = []
    for cell, (before, text, after), own in zip(cells, means, spreads, strict=True):
        if cell.text == ABSENT:
            texts.append(rf"\multicolumn{{1}}{{c}}{{{_grey(cell, '--')}}}")
            continue
        end = _mark(cell.mark)
        number = before + _ranked(cell, text)
        if cell.spread:
            number += after + _BETWEEN + "".join(own) + end
        else:
            number += end + after + _phantom(spread and _BETWEEN + spread)
        texts.append(_grey(cell, number + ("" if end else _phantom(mark))))
    return texts


def _padded(texts: Sequence[str], *, left: bool = False) -> list[tuple[str, str, str]]:
    """Texts of numbers with what goes before and after each, so that their points stand in a line.

    With `left` their ends do so on the left side too, as after a sign that they share.
    """
    numbers = [text.partition(".") for text in texts if _NUMBER.fullmatch(text)]
    whole = max((len(start) for start, _, _ in numbers), default=0)
    places = max((len(end) for _, _, end in numbers), default=0)
    padded = []
    for text in texts:
        before = after = ""
        if _NUMBER.fullmatch(text):
            start, point, end = text.partition(".")
            before = _phantom("0" * (whole - len(start))) if left else ""
            lacking = "" if point or not places else "."
            after = _phantom(lacking + "0" * (places - len(end)))
        padded.append((before, _number(text), after))
    return padded


def _number(text: str) -> str:
    if power := re.fullmatch(r"(\d+)\^(\d+)", text):
        return rf"${power[1]}^{{{power[2]}}}$"
    return "$-$" + escape(text[1:]) if re.match(r"-[\d.i]", text) else escape(text)


def _phantom(text: str) -> str:
    return rf"\phantom{{{text}}}" if text else ""


def _mark(mark: str) -> str:
    """Raised letters and numbers, several parted by commas."""
    plain = unicodedata.normalize("NFKC", ",".join(mark.split()))
    return rf"\textsuperscript{{{escape(plain)}}}" if plain else ""


def _ranked(cell: Cell, text: str) -> str:
    if cell.best:
        return rf"\textbf{{{text}}}"
    return rf"\underline{{{text}}}" if cell.second else text


def _grey(cell: Cell, text: str) -> str:
    return rf"\textcolor{{gray}}{{{text}}}" if cell.grey and text else text
