"""From options to tables."""

from pathlib import Path

import pytest

from tests.runs.synthetic import QUANTIZERS, config_of, result_of, write_run
from vqx.errors import ConfigError, VqxError
from vqx.reporting.build import build_report
from vqx.reporting.main_table import state_text
from vqx.reporting.options import Options, parse


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for place, name in enumerate(QUANTIZERS):
        for seed in range(3):
            config = config_of(name, seed=seed)
            write_run(tmp_path, config, result=result_of(config, psnr=20 + place + seed / 10))
    return tmp_path


def asked(runs: Path, *words: str) -> Options:
    return parse([f"runs={runs}", *words])


def labels(runs: Path, *words: str) -> list[str]:
    return [row[0].text for row in build_report(asked(runs, *words)).tables[0].rows]


def test_rows_are_chosen_in_order_and_the_others_named(runs: Path) -> None:
    report = build_report(asked(runs, "rows=[vq,ema]"))
    table = report.tables[0]
    assert [row[0].text for row in table.rows] == ["vq", "ema"]
    assert [note.text for note in table.notes if note.about == "not shown"] == ["fsq"]
    assert labels(runs, "rows=[vq,ema]", "sort=psnr") == ["ema", "vq"]


def test_names_change_what_rows_are_called_everywhere(runs: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("names: {vq: VQ-VAE}\nrows: [VQ-VAE, ema]\nbaseline: VQ-VAE\n")
    report = build_report(asked(runs, f"table={path}", "columns=[psnr]"))
    assert [row[0].text for row in report.tables[0].rows] == ["VQ-VAE", "ema"]
    assert report.tables[1].caption == "Differences to VQ-VAE, paired by seed"
    assert [row.label for row in report.frame.rows] == ["VQ-VAE", "ema"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: {vqq: A}", r"names: no row 'vqq' \(did you mean 'vq'"),
        ("names: {vq: ema}", "names: two rows would be called 'ema'"),
        ("names: {vq: A}\nrows: [vq]", "rows: no row 'vq'; there are: ema, fsq, A"),
    ],
)
def test_names_that_mean_no_row(runs: Path, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        build_report(asked(runs, f"table={path}"))


def test_a_condition_is_said_with_what_it_left(runs: Path) -> None:
    report = build_report(asked(runs, "where=seed<2 and psnr>21"))
    notes = {note.about: note.text for note in report.tables[0].notes}
    assert notes["where"] == "seed<2 and psnr>21: 3 of 9 runs"
    assert labels(runs, "where=seed<2 and psnr>21") == ["ema", "vq"]
    with pytest.raises(VqxError, match="none of the 9 runs is one where seed>7"):
        build_report(asked(runs, "where=seed>7"))


def test_a_baseline_adds_two_tables_and_a_pivot_replaces_the_first(runs: Path) -> None:
    tables = build_report(asked(runs, "baseline=vq")).tables
    assert [table.name for table in tables] == ["", "paired by seed", "paired by image"]
    tables = build_report(asked(runs, "pivot=quantizer,quantizer", "columns=[psnr,ssim]")).tables
    assert [table.name for table in tables] == ["psnr", "ssim"]


def test_names_of_rows_with_published_ones_keep_what_they_repeat(
    runs: Path, tmp_path: Path
) -> None:
    for path in runs.glob("ema*/config.yaml"):
        path.write_text(path.read_text() + "row: swasun/ema_shuffled\n")
    table = tmp_path / "t.yaml"
    table.write_text("names: {swasun/ema_shuffled: Ours}\npublished: swasun\nrows: [Ours]\n")
    found = build_report(asked(runs, f"table={table}")).tables[0]
    assert [row[0].text for row in found.rows][:2] == ["Ours", "↳ published: EMA, shuffled"]
    assert found.lines[0] is not None
    assert found.lines[1] is None
    assert len(found.lines) == len(found.rows)
    assert state_text(found.lines[0]) == "done"
