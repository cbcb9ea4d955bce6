"""From options to tables."""

import shutil
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


def test_a_copy_under_another_name_is_no_second_seed(runs: Path) -> None:
    original = next(runs.glob("ema*seed0*"))
    shutil.copytree(original, runs / f"{original.name}-old")
    for words in ((), ("seeds=separate",)):
        report = build_report(asked(runs, *words))
        assert sum(len(row.runs) for row in report.frame.rows) == 9
        (note,) = [note.text for note in report.tables[0].notes if note.about == "left out"]
        assert note == f"{original}-old: same configuration and seed as {original}"


def test_of_two_copies_the_one_with_its_own_name_counts(runs: Path) -> None:
    original = next(runs.glob("ema*seed0*"))
    shutil.copytree(original, runs / "a-copy-of-it")
    notes = build_report(asked(runs)).tables[0].notes
    (note,) = [note.text for note in notes if note.about == "left out"]
    assert note == f"{runs}/a-copy-of-it: same configuration and seed as {original}"


def test_of_two_copies_the_one_with_a_result_counts(runs: Path) -> None:
    original = next(runs.glob("ema*seed0*"))
    shutil.copytree(original, runs / f"{original.name}-old")
    (original / "result.json").unlink()
    (row,) = (row for row in build_report(asked(runs)).frame.rows if row.label == "ema")
    assert len(row.results) == 3


def test_a_place_that_is_not_there_is_an_error_among_others(runs: Path) -> None:
    with pytest.raises(ConfigError, match="runs=/no/such: there is no such folder"):
        build_report(asked(runs, "runs=/no/such"))


def test_a_filter_may_name_several_values(runs: Path) -> None:
    report = build_report(asked(runs, "quantizer=fsq,vq", "seed=0,2", "levels=[8,5,5,5]"))
    assert [len(row.runs) for row in report.frame.rows] == [2]
    assert labels(runs, "quantizer=fsq,vq") == ["fsq", "vq"]


def test_a_pivot_by_seed_of_separate_runs(runs: Path) -> None:
    table = build_report(asked(runs, "pivot=quantizer,seed", "seeds=separate")).tables[0]
    assert table.header[1:] == ("0", "1", "2")
    assert [cell.text for cell in table.rows[0]] == ["ema", "22.00", "22.10", "22.20"]
    with pytest.raises(ConfigError, match=r"seeds are folded .* seeds=separate parts them"):
        build_report(asked(runs, "pivot=quantizer,seed"))
