"""Two-way tables."""

from pathlib import Path

import pytest

from tests.runs.synthetic import config_of, result_of, write_run
from vqx.errors import ConfigError
from vqx.reporting.columns import columns_of
from vqx.reporting.frame import build_frame
from vqx.reporting.main_table import find_column
from vqx.reporting.markdown import render_markdown
from vqx.reporting.pivot import Keys, pivot
from vqx.runs.reading import read_runs
from vqx.runs.status import State


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for levels in ([8, 5, 5, 5], [16, 5], [8, 6, 5]):
        for steps in (400, 800):
            if (levels, steps) == ([8, 6, 5], 800):
                continue
            for seed in range(2):
                changes = {"levels": levels, "quantizer__levels": levels, "trainer__steps": steps}
                config = config_of("fsq", seed=seed, **changes)
                if (levels, steps) == ([16, 5], 400):
                    write_run(tmp_path, config, state=State.FAILED, message="no")
                else:
                    psnr = steps / 40 + levels[0] + seed / 10
                    write_run(tmp_path, config, result=result_of(config, psnr=psnr))
    return tmp_path


def table_of(runs: Path, rows: str = "levels", columns: str = "steps", key: str = "psnr"):
    frame = build_frame(read_runs([str(runs)])[0])
    known = columns_of([result for row in frame.rows for result in row.results])
    return pivot(frame, find_column(known, key), Keys(rows, columns))


def test_rows_and_columns_are_values_in_natural_order(runs: Path) -> None:
    table = table_of(runs)
    assert table.header == ("levels \\ steps", "400", "800")
    assert [line[0].text for line in table.rows] == ["8,5,5,5", "8,6,5", "16,5"]
    assert [[cell.text for cell in line[1:]] for line in table.rows] == [
        ["18.05", "28.05"],
        ["18.05", ""],  # nobody asked for it
        ["failed", "36.05"],
    ]
    assert table.rows[0][1].spread == "0.07"
    assert table.rows[2][2].best
    assert table.rows[0][2].second
    assert table.text_columns == (0,)
    assert any(note.about.endswith("steps=400") for note in table.notes)
    assert "| 16,5 | failed | **36.05 ± 0.07** |" in render_markdown(table)


def test_either_way_round(runs: Path) -> None:
    assert table_of(runs, "steps", "levels").header[1:] == ("8,5,5,5", "8,6,5", "16,5")


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ("levles", "steps", r"'levles' does not differ .*did you mean 'levels'.*levels, steps"),
        ("levels", "batch_size", "'batch_size' does not differ"),
        ("levels", "levels", r"fall into one cell \(16,5, 16,5\)"),
    ],
)
def test_what_is_no_two_way_table(runs: Path, rows: str, columns: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        table_of(runs, rows, columns)


def test_two_rows_in_one_cell_are_refused(runs: Path) -> None:
    changes = {"levels": [16, 5], "quantizer__levels": [16, 5], "trainer__steps": 800}
    write_run(runs, config_of("fsq", **changes, trainer__batch_size=64))
    with pytest.raises(ConfigError, match=r"fall into one cell \(16,5, 800\): select one of them"):
        table_of(runs)
