"""Tables in terminals of any width."""

import re
from pathlib import Path

import pytest

from tests.reporting.test_main_table import table_of
from tests.runs.synthetic import config_of, result_of, write_run
from vqx.reporting.main_table import Table
from vqx.reporting.terminal import render_terminal
from vqx.runs.status import State


@pytest.fixture
def table(tmp_path: Path) -> Table:
    for name, psnr in (("ema", 24.5), ("fsq", 25.5)):
        for seed in range(2):
            config = config_of(name, seed=seed)
            write_run(tmp_path, config, result=result_of(config, psnr=psnr + seed / 10))
    write_run(tmp_path, config_of("vq"), state=State.FAILED, message="OSError: " + "long " * 60)
    return table_of(tmp_path)


def _body(text: str) -> list[str]:
    """Lines of the blocks: between the caption and the notes."""
    return text.split("\n\n", 1)[1].rsplit("\n\n", 1)[0].splitlines()


@pytest.mark.parametrize("width", [60, 80, 100, 140, 250])
def test_lines_fit_and_nothing_is_left_out(table: Table, width: int) -> None:
    text = render_terminal(table, width=width, bold=False)
    folder = r"\S*/\S*"  # a path has no place to break at
    assert all(len(re.sub(folder, "", line)) <= width for line in text.splitlines())
    for header in table.header:
        assert header in text
    for row in table.rows:
        for cell in row:
            assert cell.text in text


def test_a_wide_terminal_has_one_block_and_a_narrow_one_repeats_the_names(table: Table) -> None:
    wide = "\n".join(_body(render_terminal(table, width=250, bold=False)))
    assert wide.count("quantizer") == 1
    narrow = "\n".join(_body(render_terminal(table, width=80, bold=False)))
    assert narrow.count("quantizer") == narrow.count("\nfsq ") > 1


def test_points_stand_below_each_other(table: Table) -> None:
    lines = _body(render_terminal(table, width=250, bold=False))
    ema, fsq = (next(line for line in lines if line.startswith(name)) for name in ("ema", "fsq"))
    assert [m.start() for m in re.finditer("±", ema)] == [m.start() for m in re.finditer("±", fsq)]
    assert ema.index("24.55 ±") == fsq.index("25.55 ±")


def test_best_is_bold_on_a_terminal_and_starred_elsewhere(table: Table) -> None:
    bold = render_terminal(table, width=140, bold=True)
    assert "\033[1m25.55 ± 0.07\033[0m" in bold
    assert "*" not in bold
    plain = render_terminal(table, width=140, bold=False)
    assert "\033" not in plain
    assert "25.55 ± 0.07*" in plain
    assert "* best of its column" in plain


def test_bold_and_plain_align_alike(table: Table) -> None:
    bold = re.sub(r"\033\[\dm", "", render_terminal(table, width=250, bold=True))
    lines = _body(bold)
    assert len(set(map(len, lines[1:2]))) == 1
    assert lines[0].index("state") == lines[2].index("done")
