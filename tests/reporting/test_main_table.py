"""The table: folding, best values, stamps, states."""

import math
import re
import statistics
from pathlib import Path
from typing import Any

import pytest

from tests.reporting.test_frame import frame_of
from tests.runs.synthetic import config_of, result_of, write_run
from vqx.errors import ConfigError
from vqx.reporting.frame import build_frame
from vqx.reporting.main_table import Cell, Table, build_table
from vqx.reporting.markdown import render_markdown
from vqx.reporting.terminal import render_terminal
from vqx.runs.reading import read_runs
from vqx.runs.status import State


def table_of(folder: Path, **options: Any) -> Table:
    return build_table(build_frame(read_runs([str(folder)])[0]), **options)


def column(table: Table, title: str) -> list[Cell]:
    index = [header.split()[0] for header in table.header].index(title)
    return [row[index] for row in table.rows]


def _write(folder: Path, quantizer: str, psnrs: list[float], **metrics: dict[str, Any]) -> None:
    for seed, psnr in enumerate(psnrs):
        config = config_of(quantizer, seed=seed)
        result = result_of(config, psnr=psnr)
        for key, change in metrics.items():
            result["metrics"][key] = {**result["metrics"].get(key, {}), **change}
        write_run(folder, config, result=result)


def test_seeds_are_folded_to_mean_and_sample_deviation(tmp_path: Path) -> None:
    psnrs = [25.0, 25.5, 25.1]
    _write(tmp_path, "fsq", psnrs)
    (cell,) = column(table_of(tmp_path), "PSNR")
    assert cell.text == f"{statistics.mean(psnrs):.2f}"
    assert cell.spread == f"{statistics.stdev(psnrs):.2f}"


def test_one_seed_shows_no_spread_and_equal_seeds_show_zero(tmp_path: Path) -> None:
    _write(tmp_path / "one", "fsq", [25.0])
    assert column(table_of(tmp_path / "one"), "PSNR")[0].spread == ""
    _write(tmp_path / "two", "fsq", [25.0, 25.0])
    assert column(table_of(tmp_path / "two"), "PSNR")[0].spread == "0.00"


@pytest.mark.parametrize(("better", "best"), [("higher", "vq"), ("lower", "ema"), (None, None)])
def test_best_goes_by_the_metrics_own_direction(
    tmp_path: Path, better: str | None, best: str | None
) -> None:
    for quantizer, value in (("ema", 1.0), ("fsq", 2.0), ("vq", 3.0)):
        metric = {"value": value, "stamp": "s", "better": better}
        _write(tmp_path, quantizer, [25.0], distance=metric)
    table = table_of(tmp_path)
    rows = column(table, "quantizer")
    assert [
        row.text for row, cell in zip(rows, column(table, "distance"), strict=True) if cell.best
    ] == ([best] if best else [])


def test_rows_that_read_alike_are_both_best_and_all_alike_none(tmp_path: Path) -> None:
    _write(tmp_path, "ema", [25.001])
    _write(tmp_path, "fsq", [25.002])
    _write(tmp_path, "vq", [24.0])
    assert [cell.best for cell in column(table_of(tmp_path), "PSNR")] == [True, True, False]
    for path in tmp_path.glob("vq*"):
        (path / "result.json").unlink()
    assert not any(cell.best for cell in column(table_of(tmp_path), "PSNR"))


def test_nan_is_shown_and_never_best(tmp_path: Path) -> None:
    _write(tmp_path, "ema", [25.0], lpips={"value": math.nan})
    _write(tmp_path, "fsq", [25.0], lpips={"value": 0.2})
    _write(tmp_path, "vq", [25.0], lpips={"value": 0.3})
    cells = column(table_of(tmp_path), "LPIPS")
    assert [(cell.text, cell.best) for cell in cells] == [
        ("nan", False),
        ("0.200", True),
        ("0.300", False),
    ]


def test_different_stamps_are_marked_and_have_no_best(tmp_path: Path) -> None:
    _write(tmp_path, "ema", [20.0], psnr={"stamp": "global"})
    _write(tmp_path, "fsq", [26.0, 26.1])
    table = table_of(tmp_path)
    assert [(c.mark, c.best) for c in column(table, "PSNR")] == [("ᵃ", False), ("ᵇ", False)]
    (note,) = [note for note in table.notes if note.about == "PSNR"]
    assert "ᵃ global" in note.text
    assert "ᵇ per image" in note.text
    assert all(cell.mark == "" for cell in column(table, "SSIM"))
    assert any(cell.best for cell in column(table, "SSIM"))


def test_seeds_measured_differently_are_marked_within_their_row(tmp_path: Path) -> None:
    _write(tmp_path, "fsq", [25.0, 25.1])
    path = next(tmp_path.glob("fsq*seed1*")) / "result.json"
    path.write_text(path.read_text().replace("per image then mean, rounded uint8", "global"))
    assert column(table_of(tmp_path), "PSNR")[0].mark == "ᵃᵇ"


def test_rfid_keeps_its_column_and_says_why_it_is_empty(tmp_path: Path) -> None:
    _write(tmp_path, "fsq", [25.0])
    _write(tmp_path, "vq", [25.0])
    table = table_of(tmp_path)
    assert [cell.text for cell in column(table, "rFID")] == ["-", "-"]
    (note,) = [note for note in table.notes if note.about == "rFID"]
    assert re.match(r"missing: no weights .*run `python -m vqx.prepare weights`", note.text)


def test_a_metric_that_one_row_lacks_names_the_row(tmp_path: Path) -> None:
    _write(tmp_path, "fsq", [25.0])
    _write(tmp_path, "vq", [25.0, 25.1])
    path = next(tmp_path.glob("vq*seed1*")) / "result.json"
    path.write_text(path.read_text().replace('"lpips"', '"other"'))
    table = table_of(tmp_path)
    assert column(table, "LPIPS")[1].spread == ""
    texts = [note.text for note in table.notes if note.about == "LPIPS"]
    assert "missing in some seeds of vq: not measured by this run" in texts


def test_a_disorderly_sweep_keeps_all_its_rows(tmp_path: Path) -> None:
    for seed in range(2):
        write_run(tmp_path, config_of("ema", seed=seed))
    write_run(
        tmp_path,
        config_of("fsq", seed=0),
        state=State.FAILED,
        step=7,
        message="OSError: disk | gone",
    )
    write_run(tmp_path, config_of("fsq", seed=1), state=State.QUEUED)
    write_run(tmp_path, config_of("vq", seed=1), state=State.RUNNING, step=40, eta_seconds=75.0)
    table = table_of(tmp_path)
    assert [cell.text for cell in column(table, "n")] == ["2", "0", "0"]
    assert [cell.text for cell in column(table, "state")] == [
        "done",
        "1 queued, 1 failed",
        "running",
    ]
    notes = {note.about: note.text for note in table.notes}
    failed, queued = notes["fsq"].split("; ")
    assert failed.startswith("seed 0 failed at step 7 of 800: OSError: disk | gone (")
    assert failed.endswith(f"{next(tmp_path.glob('fsq*seed0*'))})")
    assert queued == "seed 1 missing: queued"
    assert notes["vq"] == (
        "seed 1 running: step 40 of 800, 1 min 15 s left, on elsewhere; seed 0 missing: not started"
    )


def test_a_run_before_its_first_step_has_no_step_0_of_0(tmp_path: Path) -> None:
    for seed, state in enumerate((State.RUNNING, State.INTERRUPTED)):
        write_run(tmp_path, config_of("fsq", seed=seed), state=state, step=0, steps=0)
    (note,) = (n.text for n in table_of(tmp_path).notes if n.about == "fsq")
    running, interrupted = note.split("; ")
    assert running == "seed 0 running: before its first step, on elsewhere"
    assert interrupted.startswith("seed 1 interrupted before its first step (")


def test_collapsed_runs_are_folded_and_said(tmp_path: Path) -> None:
    config = config_of("ema")
    write_run(
        tmp_path, config, state=State.COLLAPSED, message="usage 0.4 %", result=result_of(config)
    )
    table = table_of(tmp_path)
    assert (column(table, "n")[0].text, column(table, "state")[0].text) == ("1", "collapsed")
    assert any("collapsed: usage 0.4 %" in note.text for note in table.notes)


def test_sorting_and_choosing_columns(tmp_path: Path) -> None:
    _write(tmp_path, "ema", [24.0])
    _write(tmp_path, "fsq", [25.0])
    write_run(tmp_path, config_of("vq"), state=State.FAILED)
    table = table_of(tmp_path, sort="psnr", columns=["psnr", "lpips", "bits"])
    assert table.header == ("quantizer", "PSNR ↑ dB", "LPIPS ↓", "bits per image", "n", "state")
    assert [cell.text for cell in column(table, "quantizer")] == ["fsq", "ema", "vq"]
    table = table_of(tmp_path, sort="lpips")
    assert [cell.text for cell in column(table, "quantizer")] == ["fsq", "ema", "vq"]
    with pytest.raises(ConfigError, match=r"no column 'pnsr' \(did you mean 'psnr'\?\)"):
        table_of(tmp_path, columns=["pnsr"])


def test_an_empty_set_of_results_is_a_table_too(tmp_path: Path) -> None:
    write_run(tmp_path, config_of(), state=State.QUEUED)
    table = build_table(frame_of(tmp_path))
    assert [cell.text for cell in column(table, "PSNR")] == ["-"]


def _write_soft(folder: Path, psnr: float) -> None:
    config = config_of("vq")
    result = result_of(config, psnr=psnr)
    result["model"]["discrete"] = False
    write_run(folder, config, result=result)


def test_a_row_without_codes_says_so_and_wins_nothing(tmp_path: Path) -> None:
    _write(tmp_path, "ema", [25.0])
    _write(tmp_path, "fsq", [24.0])
    _write_soft(tmp_path, 40.0)
    table = table_of(tmp_path)
    assert [c.text for c in column(table, "state")] == ["done", "done", "done, not discrete"]
    assert [c.best for c in column(table, "PSNR")] == [True, False, False]
    assert "| done, not discrete |" in render_markdown(table)
    assert "done, not discrete" in render_terminal(table, width=200, bold=False)


@pytest.mark.parametrize(("discrete", "best"), [([25.0, 24.0], True), ([25.0, 25.0], False)])
def test_a_row_without_codes_shares_no_place_and_takes_none(
    tmp_path: Path, discrete: list[float], best: bool
) -> None:
    _write(tmp_path, "ema", discrete[:1])
    _write(tmp_path, "fsq", discrete[1:])
    _write_soft(tmp_path, 25.0)
    assert [c.best for c in column(table_of(tmp_path), "PSNR")] == [best, False, False]


def test_rows_without_codes_compete_among_themselves(tmp_path: Path) -> None:
    for name, psnr in (("ema", 20.0), ("vq", 21.0)):
        config = config_of(name)
        result = result_of(config, psnr=psnr)
        result["model"]["discrete"] = False
        write_run(tmp_path, config, result=result)
    assert [c.best for c in column(table_of(tmp_path), "PSNR")] == [False, True]
