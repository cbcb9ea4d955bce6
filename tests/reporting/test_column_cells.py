"""Cells of one column: what stands beside a mean, and what is told on demand."""

from pathlib import Path

import pytest

from tests.runs.synthetic import config_of, result_of, write_run
from vqx.reporting.bootstrap import bootstrap_interval
from vqx.reporting.cells import Cell, Table
from vqx.reporting.column_cells import SPREADS, Spread
from vqx.reporting.frame import build_frame
from vqx.reporting.main_table import build_table
from vqx.reporting.statistics import mean_interval
from vqx.runs.reading import read_runs

PSNRS = [25.0, 25.5, 25.1]


def table_of(folder: Path, spread: Spread = "std", *, hover: bool = False) -> Table:
    frame = build_frame(read_runs([str(folder)])[0])
    return build_table(frame, columns=["psnr", "parameters"], spread=spread, hover=hover)


def cell_of(folder: Path, spread: Spread = "std", *, hover: bool = False) -> Cell:
    return table_of(folder, spread, hover=hover).rows[0][1]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for seed, psnr in enumerate(PSNRS):
        config = config_of("fsq", seed=seed)
        write_run(tmp_path, config, result=result_of(config, psnr=psnr))
    return tmp_path


def test_what_stands_beside_the_mean_is_chosen(runs: Path) -> None:
    student, drawn = mean_interval(PSNRS), bootstrap_interval(PSNRS)
    assert student is not None
    assert drawn is not None
    assert (cell_of(runs, "std").text, cell_of(runs, "std").spread) == ("25.20", "0.26")
    assert cell_of(runs, "interval").spread == f"{student.half_width:.2f}" == "0.66"
    assert cell_of(runs, "bootstrap").text == f"25.20 [{drawn.low:.2f}, {drawn.high:.2f}]"
    assert cell_of(runs, "bootstrap").spread == ""
    assert cell_of(runs, "none") == Cell("25.20", value=pytest.approx(25.2))


@pytest.mark.parametrize("spread", list(SPREADS))
def test_what_it_is_stands_below_the_table(runs: Path, spread: Spread) -> None:
    texts = [note.text for note in table_of(runs, spread).notes if note.about == "spread"]
    assert texts == ([SPREADS[spread]] if spread != "none" else [])


@pytest.mark.parametrize("spread", list(SPREADS))
def test_one_seed_has_no_spread_of_any_kind(tmp_path: Path, spread: Spread) -> None:
    write_run(tmp_path, config_of(), result=result_of(config_of(), psnr=25.0))
    assert cell_of(tmp_path, spread) == Cell("25.00", value=25.0)


def test_every_seed_and_the_protocol_are_told_on_demand(runs: Path) -> None:
    assert cell_of(runs).hover == ""
    assert cell_of(runs, hover=True).hover == (
        "n = 3: 25.00 (seed 0), 25.50 (seed 1), 25.10 (seed 2) dB; "
        "per image then mean, rounded uint8, range 255, 900 images"
    )


def test_why_a_number_is_missing_is_told_on_demand(runs: Path) -> None:
    frame = build_frame(read_runs([str(runs)])[0])
    table = build_table(frame, columns=["rfid"], hover=True)
    assert table.rows[0][1].text == "-"
    assert table.rows[0][1].hover.startswith("no weights of the FID Inception")


def test_a_table_knows_its_columns_and_rows(runs: Path) -> None:
    table = table_of(runs)
    assert table.keys == ("row", "psnr", "parameters", "n", "state")
    (row,) = table.lines
    assert row is not None
    assert len(row.runs) == 3
