"""Tables that LaTeX compiles as they are."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reporting.test_main_table import table_of
from tests.reporting.typesetting import needs_pdflatex, typeset
from tests.runs.synthetic import QUANTIZERS, config_of, result_of, write_run
from vqx.reporting.cells import Cell, Table
from vqx.reporting.latex import render_document, render_latex
from vqx.reporting.notes import Note
from vqx.runs.status import State


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """All usual columns of three quantizers, three seeds each, and a run that failed."""
    for place, name in enumerate(QUANTIZERS):
        for seed in range(3):
            config = config_of(name, seed=seed)
            result = result_of(config, psnr=25 + place + 0.1 * seed)
            write_run(tmp_path / "runs", config, result=result)
    failed = config_of("vq", quantizer__beta=0.5)
    write_run(tmp_path / "runs", failed, state=State.FAILED, message="50% of {x} & $y")
    return table_of(tmp_path / "runs")


@pytest.fixture
def narrow(table: Table) -> Table:
    """Two of its numbers."""
    shown = [table.keys.index(key) for key in ("row", "codes", "usage", "state")]
    rows = tuple(tuple(row[i] for i in shown) for row in table.rows)
    header, keys = (tuple(texts[i] for i in shown) for texts in (table.header, table.keys))
    return replace(table, header=header, keys=keys, rows=rows)


def _made_up(rows: int, columns: int, *, notes: int = 0, text: str = "name") -> Table:
    row = (Cell(text), *(Cell("0.1234", "0.0012") for _ in range(columns)), Cell("done"))
    header = ("row", *(f"m{i} ↑" for i in range(columns)), "state")
    return Table("caption", header, (row,) * rows, (Note("about", "words " * 12),) * notes)


def test_the_parts_of_a_table(narrow: Table) -> None:
    latex = render_latex([narrow], label="tab:photos", command="python -m vqx.report\n name=photos")
    lines = latex.splitlines()
    assert lines[0] == "% Made by: python -m vqx.report name=photos"
    assert lines[1] == "% Packages needed: booktabs"
    assert r"\label{tab:photos}" in lines
    assert "quantizer & codes & usage $\\uparrow$ \\% & state \\\\" in lines
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert lines.count(rule) == 1
    assert r"50\% of \{x\} \& \$y" in latex
    assert r"photos (validation, 900 images) $\cdot$ conv model" in latex


def test_grey_rows_need_one_more_package(narrow: Table) -> None:
    grey = replace(narrow, rows=((*narrow.rows[0][:-1], Cell("published", grey=True)),))
    latex = render_latex([grey], label="a")
    assert "% Packages needed: booktabs, xcolor" in latex
    assert r"\usepackage{xcolor}" in render_document(latex)
    assert r"\usepackage{xcolor}" not in render_document(render_latex([narrow], label="a"))


def test_labels_are_plain_and_all_different(narrow: Table) -> None:
    tables = [narrow, replace(narrow, name="by f {8}"), narrow, replace(narrow, name="by f {8}")]
    latex = render_latex(tables, label="tab:a_b%")
    labels = [line[7:-1] for line in latex.splitlines() if line.startswith(r"\label")]
    assert labels == ["tab:a-b-", "tab:a-b--by-f-8-", "tab:a-b--3", "tab:a-b--by-f-8--4"]


def test_a_wide_table_is_set_in_parts_with_every_cell_once(table: Table) -> None:
    latex = render_latex([table], label="a")
    assert latex.count(r"\toprule") > 1
    assert latex.count(r"\begin{table}") == latex.count(r"\caption{") == 1
    wide = render_latex([table], label="a", text_width=2000, environment="table*")
    assert wide.count(r"\toprule") == 1
    assert wide.count(r"\begin{table*}") == 1
    for row in table.rows:
        for cell in row[1:-1]:
            if cell.spread:
                assert latex.count(f"{cell.text}") == wide.count(f"{cell.text}")


def test_a_table_taller_than_a_page_goes_on_in_another_float() -> None:
    latex = render_latex([_made_up(100, 3)], label="a")
    assert latex.count(r"\begin{table}") == 3
    assert latex.count(r"\caption[]{(continued)}") == 2
    assert latex.count("name & ") == 100
    assert latex.count(r"\label{") == 1


def test_notes_follow_a_table_that_they_do_not_fit_under() -> None:
    few = render_latex([_made_up(4, 2, notes=3)], label="a")
    assert few.index(r"\textbf{about}") < few.index(r"\end{table}")
    many = render_latex([_made_up(30, 2, notes=40)], label="a")
    assert many.index(r"\textbf{about}") > many.index(r"\end{table}")
    assert r"Notes on Table~\ref{a}" in many


def test_the_command_cannot_leave_its_comment(narrow: Table) -> None:
    latex = render_latex([narrow], label="a", command="python \n\\input{x}\u2028 é")
    assert latex.startswith("% Made by: python \\input{x} \\xe9\n%")


class TestTypeset:
    """With a real LaTeX."""

    pytestmark = needs_pdflatex

    def test_usual_tables_compile_and_fit(
        self, table: Table, narrow: Table, tmp_path: Path
    ) -> None:
        grey = Table(
            "c",
            narrow.header,
            (tuple(replace(cell, grey=True) for cell in narrow.rows[0]), *narrow.rows),
            narrow.notes,
        )
        latex = render_latex([narrow, table, grey], label="tab:all")
        made = typeset(render_document(latex), tmp_path / "tex", passes=2)
        assert "undefined" not in made.log
        assert max(made.overfull, default=0) < 2
        text = made.text()
        for said in ("Table 3:", "50% of {x} & $y", "↑", "failed", "not started"):
            assert said in text

    @pytest.mark.parametrize(
        ("rows", "columns", "notes", "text"),
        [
            (120, 3, 0, "name"),
            (3, 30, 5, "name"),
            (60, 20, 60, "name"),
            (30, 2, 40, "name"),
            (12, 4, 3, "serezd/standard_vqvae_cb4096_reinit10like codebook_size=1024 beta=0.25"),
            (12, 4, 3, "x" * 150),
            (0, 3, 0, "name"),
        ],
    )
    def test_large_tables_compile_and_fit(
        self, rows: int, columns: int, notes: int, text: str, tmp_path: Path
    ) -> None:
        latex = render_latex([_made_up(rows, columns, notes=notes, text=text)], label="a")
        made = typeset(render_document(latex), tmp_path, passes=2)
        assert max(made.overfull, default=0) < 2
        assert "undefined" not in made.log
        if len(text) < 10:
            assert made.text().count("name") >= rows

    def test_any_names_compile(self, tmp_path: Path) -> None:
        texts = ["[1]", "*", "", "\\", "a & b", "%"]

        @settings(max_examples=100, database=None)
        @given(st.text(max_size=40))
        def collect(text: str) -> None:
            texts.append(text)

        collect()
        tables = [
            Table(
                text,
                (text, text, f"{text} ↑", text),
                ((Cell(text, grey=True), Cell(text), Cell(text, text, "ᵃ", best=True), Cell(text)),)
                * 2,
                (Note(text, text),),
                name=text,
            )
            for text in texts
        ]
        latex = render_latex(tables, label="tab").replace(r"\end{table}", "\\end{table}\\clearpage")
        typeset(render_document(latex), tmp_path)
