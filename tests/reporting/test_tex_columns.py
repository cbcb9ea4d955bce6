"""Columns whose points stand below each other."""

import re
from pathlib import Path

import pytest

from tests.reporting.typesetting import needs_pdflatex, typeset
from vqx.reporting.cells import Cell
from vqx.reporting.latex import render_document
from vqx.reporting.tex_columns import number_column, text_column


def _numbers(*cells: Cell) -> list[str]:
    return list(number_column("PSNR ↑ dB", cells).cells)


def test_ranks_and_spreads() -> None:
    cells = (Cell("26.00", "0.10", best=True), Cell("25.70", "0.20", second=True), Cell("25.00"))
    assert _numbers(*cells) == [
        r"\textbf{26.00}\,$\pm$\,0.10",
        r"\underline{25.70}\,$\pm$\,0.20",
        r"25.00\phantom{\,$\pm$\,0.10}",
    ]


def test_other_numbers_of_decimals_are_filled_up() -> None:
    cells = (Cell("26.00", "10.5"), Cell("7.1", "8.7"), Cell("30"), Cell("-0.5"), Cell("-"))
    filled = r"\phantom{\,$\pm$\,10.5}"
    assert _numbers(*cells) == [
        r"26.00\,$\pm$\,10.5",
        r"7.1\phantom{0}\,$\pm$\,\phantom{0}8.7",
        rf"30\phantom{{.00}}{filled}",
        rf"$-$0.5\phantom{{0}}{filled}",
        r"\multicolumn{1}{c}{--}",
    ]


def test_marks_are_raised_and_take_the_same_room_everywhere() -> None:
    cells = (Cell("1.0", mark="ᵃ"), Cell("2.0", mark="¹ ⁵"), Cell("3.0"))
    assert _numbers(*cells) == [
        r"1.0\textsuperscript{a}",
        r"2.0\textsuperscript{1,5}",
        r"3.0\phantom{\textsuperscript{1,5}}",
    ]


def test_what_others_printed_is_grey() -> None:
    cells = (Cell("-", grey=True), Cell("0.5", grey=True), Cell("", grey=True))
    assert _numbers(*cells) == [
        r"\multicolumn{1}{c}{\textcolor{gray}{--}}",
        r"\textcolor{gray}{0.5}",
        "",
    ]
    (text,) = text_column("row", [Cell("↳ published: a_b", grey=True)], room=30).cells
    assert text == r"\textcolor{gray}{$\hookrightarrow$ published: a\_b}"


def test_texts_that_are_no_plain_numbers() -> None:
    assert _numbers(Cell("2^24"), Cell("1.2 M"), Cell("nan"), Cell("2 min 15 s")) == [
        "$2^{24}$",
        "1.2 M",
        "nan",
        "2 min 15 s",
    ]


def test_headings_are_no_wider_than_they_must() -> None:
    narrow = number_column("PSNR of the set ↑ dB", [Cell("21.13", "0.10")])
    assert narrow.heading.count(r"\\") == 1
    assert r"$\uparrow$ dB" in narrow.heading
    assert narrow.lines == (2, 1)
    wide = number_column("usage ↑ %", [Cell("21.13", "0.10")])
    assert wide.heading == r"usage $\uparrow$ \%"


def test_long_names_are_set_in_several_lines() -> None:
    column = text_column("row", [Cell("a " * 60), Cell("b")], room=20)
    assert column.cells[0].startswith(r"\parbox[t]{20.0em}{\raggedright ")
    assert column.cells[1] == "b"
    assert column.width == 20
    assert column.lines[1] >= 2


class TestTypeset:
    """With a real LaTeX."""

    pytestmark = needs_pdflatex

    def test_all_cells_of_a_column_are_equally_wide_but_for_their_whole_digits(
        self, tmp_path: Path
    ) -> None:
        cells = _numbers(
            *(Cell("26.00", "10.55", "ᵃ"), Cell("77.1", "8.7"), Cell("30", mark="ᵃ"), Cell("26.5"))
        )
        measured = [rf"\setbox0\hbox{{{cell}}}\message{{width \the\wd0;}}" for cell in cells]
        log = typeset(render_document("\n".join([*measured, "x"])), tmp_path).log
        widths = [float(found) for found in re.findall(r"width ([\d.]+)pt;", log)]
        assert len(widths) == len(cells)
        assert widths == pytest.approx([widths[0]] * len(cells), abs=0.01)
