"""Files of a report: every format from the same tables, nothing lost, bytes repeated."""

import csv
import json
from pathlib import Path

import pytest

from tests.runs.synthetic import QUANTIZERS, config_of, result_of, write_run
from vqx.errors import VqxError
from vqx.reporting.build import build_report
from vqx.reporting.options import parse
from vqx.reporting.output import command_of, write_report
from vqx.runs.status import State


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for place, name in enumerate(QUANTIZERS):
        for seed in range(2):
            config = config_of(name, seed=seed)
            write_run(tmp_path / "r", config, result=result_of(config, psnr=20 + place + seed / 10))
    return tmp_path / "r"


def written(runs: Path, out: Path, *words: str) -> set[str]:
    typed = [f"runs={runs}", f"out={out}", "name=t", *words]
    paths, _ = write_report(build_report(parse(typed), hover=True), typed)
    assert all(path.is_file() for path in paths)
    return {path.name for path in paths}


def test_formats(runs: Path, tmp_path: Path) -> None:
    assert written(runs, tmp_path / "a") == {"t.md", "t.csv", "t-runs.csv", "t.tex"}
    assert written(runs, tmp_path / "b", "formats=[json]") == {"t.json"}
    assert written(runs, tmp_path / "c", "formats=all", "baseline=vq") == {
        "t.md",
        "t.csv",
        "t-runs.csv",
        "t-paired-by-seed.csv",
        "t-paired-by-image.csv",
        "t.tex",
        "t.json",
        "t.html",
    }
    assert written(runs, tmp_path / "d", "formats=md", f"html={tmp_path}/x/y.html") == {
        "t.md",
        "y.html",
    }


def test_a_table_of_very_many_rows_is_not_typeset_unasked(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vqx.reporting.output._TYPESET_ROWS", 2)
    typed = [f"runs={runs}", f"out={tmp_path}", "name=t"]
    paths, notes = write_report(build_report(parse(typed)), typed)
    assert {path.name for path in paths} == {"t.md", "t.csv", "t-runs.csv"}
    assert [note.text for note in notes] == ["not written of over 2 rows: formats=all has it"]
    assert "t.tex" in written(runs, tmp_path, "formats=[tex]")


def test_the_same_runs_give_the_same_bytes_in_every_format(runs: Path, tmp_path: Path) -> None:
    words = ("formats=all", "baseline=vq", "pictures=[pareto]")
    names = written(runs, tmp_path / "a", *words)
    first = {name: (tmp_path / "a" / name).read_bytes() for name in names}
    assert {"t-pareto.png", "t-pareto.svg"} <= names
    written(runs, tmp_path / "a", *words)
    assert {name: (tmp_path / "a" / name).read_bytes() for name in names} == first


def test_all_formats_have_the_same_numbers(runs: Path, tmp_path: Path) -> None:
    written(runs, tmp_path, "formats=all", "columns=[psnr]")
    with (tmp_path / "t.csv").open() as file:
        means = {line["row"]: float(line["psnr_mean"]) for line in csv.DictReader(file)}
    for row, mean in means.items():
        assert f"| {row} |" in (tmp_path / "t.md").read_text()
        for name in ("t.md", "t.tex", "t.html"):
            assert f"{mean:.2f}" in (tmp_path / name).read_text(), name
    assert all(f"{mean!r}" in (tmp_path / "t.json").read_text() for mean in means.values())
    json.loads((tmp_path / "t.json").read_text())


def test_differences_are_in_files_too(runs: Path, tmp_path: Path) -> None:
    written(runs, tmp_path, "baseline=vq", "columns=[psnr]")
    assert "Differences to vq, paired by seed" in (tmp_path / "t.md").read_text()
    with (tmp_path / "t-paired-by-seed.csv").open() as file:
        lines = {line["row"]: line for line in csv.DictReader(file)}
    assert float(lines["fsq"]["psnr"]) == pytest.approx(-1.0)
    assert lines["fsq"]["pairs"] == "2 seeds"
    assert lines["fsq"]["psnr_mark"] == "†"


def test_pictures_of_runs_without_results_are_left_out_and_said(tmp_path: Path) -> None:
    write_run(tmp_path / "r", config_of(), state=State.QUEUED)
    typed = [f"runs={tmp_path}/r", f"out={tmp_path}", "name=t", "pictures=[pareto]"]
    paths, notes = write_report(build_report(parse(typed)), typed)
    assert {path.name for path in paths} == {"t.md", "t.csv", "t-runs.csv", "t.tex"}
    assert [note.text for note in notes] == ["none drawn: no run has a result yet"]


def test_the_command_stands_in_the_file(runs: Path, tmp_path: Path) -> None:
    written(runs, tmp_path, "where=seed<2")
    assert "'where=seed<2'" in (tmp_path / "t.tex").read_text().splitlines()[0]
    assert command_of(["a b"]) == "python -m vqx.report 'a b'"


def test_a_folder_that_cannot_be(runs: Path) -> None:
    with pytest.raises(VqxError, match=r"cannot write in .*: give out="):
        written(runs, Path(__file__) / "x")
    with pytest.raises(VqxError, match=r"cannot write in .*: give html="):
        written(runs, runs.parent, f"html={__file__}/x/y.html")
    with pytest.raises(VqxError, match=r"html=.* is a folder: name a file in it"):
        written(runs, runs.parent, f"html={runs}")
