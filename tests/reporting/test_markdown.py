"""Markdown that GitHub shows as meant."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reporting.test_main_table import table_of
from tests.runs.synthetic import config_of, result_of, write_run
from vqx.reporting.markdown import escape, render_markdown
from vqx.runs.status import State


def _cells(line: str) -> list[str]:
    """Cells as GitHub splits them: at pipes that no backslash precedes."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_every_line_has_the_header_cells(tmp_path: Path) -> None:
    for name, psnr in (("ema|**x**", 25.0), ("fsq", 26.0)):
        config = config_of("fsq", data={"_target_": "x.Y", "name": name})
        write_run(tmp_path, config, result=result_of(config, psnr=psnr))
    write_run(tmp_path, config_of("vq"), state=State.FAILED, message="a | b")
    markdown = render_markdown(table_of(tmp_path))
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len(lines) == 5
    assert len({len(_cells(line)) for line in lines}) == 1
    alignment = _cells(lines[1])
    assert alignment[0] == alignment[-1] == "---"
    assert set(alignment[1:-1]) == {"---:"}
    assert "**26.00**" in _cells(lines[3])
    assert r"ema\|\*\*x\*\*" in lines[2]
    assert r"a \| b" in markdown


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("codebook_size=1024", "codebook_size=1024"),
        ("_x_ __init__", r"\_x\_ \_\_init\_\_"),
        ("a|b*c*<d>&amp;~~$", r"a\|b\*c\*\<d\>\&amp;\~\~\$"),
        ("[a](b)", r"\[a](b)"),
        ("run `python -m x_|_y` now*", r"run `python -m x_\|_y` now\*"),
        ("a ` b", r"a \` b"),
        ("two\nlines", "two lines"),
    ],
)
def test_escape(text: str, escaped: str) -> None:
    assert escape(text) == escaped


@given(st.text())
def test_no_text_breaks_a_row(text: str) -> None:
    assert len(_cells(f"| {escape(text)} | b |")) == 2
    assert "\n" not in escape(text)
