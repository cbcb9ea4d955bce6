"""CSV with all digits."""

import csv
import io
import statistics
from pathlib import Path

import pytest

from tests.reporting.test_frame import frame_of
from tests.runs.synthetic import config_of, result_of, write_run
from vqx.reporting.csv import render_rows, render_runs
from vqx.reporting.frame import build_frame
from vqx.runs.reading import read_runs
from vqx.runs.status import State


def _parsed(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_rows_have_mean_deviation_and_n(tmp_path: Path) -> None:
    psnrs = [25.123456789, 25.3]
    for seed, psnr in enumerate(psnrs):
        config = config_of("fsq", seed=seed)
        write_run(tmp_path, config, result=result_of(config, psnr=psnr))
    write_run(tmp_path, config_of("vq"), state=State.FAILED)
    frame = build_frame(read_runs([str(tmp_path)])[0])
    fsq, vq = _parsed(render_rows(frame))
    assert (fsq["row"], fsq["config.quantizer"], fsq["state"]) == ("fsq", "fsq", "done")
    assert float(fsq["psnr_mean"]) == statistics.mean(psnrs)
    assert float(fsq["psnr_std"]) == pytest.approx(statistics.stdev(psnrs), rel=1e-12)
    assert fsq["psnr_n"] == "2"
    assert (vq["psnr_mean"], vq["psnr_std"], vq["psnr_n"], vq["state"]) == ("", "", "0", "failed")
    assert fsq["rfid_n"] == "0"


def test_runs_have_a_line_each_with_stamps_and_origin(tmp_path: Path) -> None:
    frame = frame_of(tmp_path, config_of("fsq"), config_of("fsq", seed=1), config_of("vq"))
    lines = _parsed(render_runs(frame))
    assert [(line["row"], line["seed"]) for line in lines] == [
        ("fsq", "0"),
        ("fsq", "1"),
        ("vq", "0"),
    ]
    assert Path(lines[0]["folder"]).is_dir()
    assert float(lines[0]["psnr"]) == 25.0
    assert lines[0]["psnr_stamp"].startswith("per image")
    assert (lines[0]["commit"], lines[0]["torch"]) == ("f8add72c0ffee", "2.14.1")


def test_keys_of_some_rows_stand_where_they_belong(tmp_path: Path) -> None:
    small = config_of("fsq", levels=[8, 6, 5], quantizer__levels=[8, 6, 5])
    text = render_rows(frame_of(tmp_path, config_of("ema"), config_of("fsq"), small))
    header = text.splitlines()[0].split(",")
    assert header[:4] == ["row", "config.quantizer", "config.levels", "discrete"]
    assert [line["config.levels"] for line in _parsed(text)] == ["", "8,5,5,5", "8,6,5"]


def test_discrete_is_a_column_of_its_own(tmp_path: Path) -> None:
    soft = result_of(config_of("vq"))
    soft["model"]["discrete"] = False
    write_run(tmp_path, config_of("vq"), result=soft)
    write_run(tmp_path, config_of("ema"))
    write_run(tmp_path, config_of("fsq"), state=State.FAILED)
    frame = build_frame(read_runs([str(tmp_path)])[0])
    for text in (render_rows(frame), render_runs(frame)):
        found = [(line["discrete"], line["state"]) for line in _parsed(text)]
        assert found == [("true", "done"), ("", "failed"), ("false", "done")]
