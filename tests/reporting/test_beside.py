"""Published rows under ours."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.runs.synthetic import config_of, result_of, write_run
from vqx.reporting.beside import Beside, name_by_published
from vqx.reporting.cells import Table
from vqx.reporting.csv import render_rows
from vqx.reporting.frame import Frame, build_frame
from vqx.reporting.main_table import build_table
from vqx.reporting.markdown import render_markdown
from vqx.reporting.published import Clause, read_tables
from vqx.reporting.terminal import render_terminal
from vqx.runs.reading import read_runs

STANDARD, EMA = "serezd/standard_vqvae_cb4096", "serezd/ema_vqvae_cb4096"
ENTROPY, GUMBEL = "serezd/entropy_vqvae_cb4096", "serezd/gumbel_vqvae_cb4096"


def _write(folder: Path, row: str | None, choice: str = "vq", **options: Any) -> None:
    typed, psnr = options.pop("typed", []), options.pop("psnr", 25.0)
    metrics, model = options.pop("metrics", {}), options.pop("model", {})
    small = {"data__name": "fashion_mnist", "data__image_size": 32}
    config = config_of(choice, row=row, **{**small, **options})
    result = result_of(config, psnr=psnr)
    for key, value in metrics.items():
        result["metrics"][key] = {"value": value, "stamp": "s", "better": "higher"}
    result["model"].update(model)
    path = write_run(folder, config, result=result)
    (path / "overrides.yaml").write_text(yaml.dump(typed))


def _named(folder: Path, *tables: str, separate: bool = False) -> tuple[Frame, Beside]:
    frame = build_frame(read_runs([str(folder)])[0], separate_seeds=separate)
    return name_by_published(frame, read_tables(tables), separate_seeds=separate)


def _table(folder: Path, *tables: str, **options: Any) -> Table:
    frame, beside = _named(folder, *tables)
    return build_table(frame, beside=beside, **options)


def _names(table: Table) -> list[str]:
    return [row[0].text for row in table.rows]


def _notes(table: Table, about: str) -> list[str]:
    return [note.text for note in table.notes if note.about == about]


def test_published_rows_stand_under_ours_and_the_others_last_in_their_order(
    tmp_path: Path,
) -> None:
    _write(tmp_path, GUMBEL)
    _write(tmp_path, None, "fsq")
    for seed in range(2):
        _write(tmp_path, STANDARD, "ema", seed=seed)
    table = _table(tmp_path, "serezd_quantizers")
    assert _names(table) == [
        STANDARD,
        "↳ published: standard_vqvae_cb4096",
        GUMBEL,
        "↳ published: gumbel_vqvae_cb4096",
        "fsq",
        f"published: {STANDARD}_reinit10like",
        f"published: {EMA}",
        f"published: {ENTROPY}",
    ]
    assert [row[0].grey for row in table.rows] == [
        name.startswith("↳") or i > 4 for i, name in enumerate(_names(table))
    ]
    assert [row[-2].text for row in table.rows] == ["2", "", "1", "", "1", "", "", ""]
    assert [row[-1].text.rstrip("⁰¹²³⁴⁵⁶⁷⁸⁹ ") for row in table.rows[:2]] == ["done", "published"]


def test_printed_numbers_keep_their_digits_and_are_never_best(tmp_path: Path) -> None:
    _write(tmp_path, STANDARD, psnr=20.0, metrics={"psnr_global": 10.0})
    _write(tmp_path, EMA, "ema", psnr=21.0, metrics={"psnr_global": 11.0})
    table = _table(tmp_path, "serezd_quantizers", columns=["usage", "psnr_global", "parameters"])
    rows = {row[0].text: row for row in table.rows}
    printed = rows["↳ published: standard_vqvae_cb4096"]
    assert [cell.text for cell in printed[1:4]] == ["47.14", "23.77", "36.6 M"]
    assert [row[2].best for row in table.rows if row[2].best] == [True]
    assert rows[EMA][2].best
    assert not any(cell.best for row in table.rows for cell in row if cell.grey)


def test_columns_that_only_others_have_are_shown_and_nobody_lacks_them(tmp_path: Path) -> None:
    _write(tmp_path, "doraemonzzz/ema_fp32", "ema")
    table = _table(tmp_path, "doraemonzzz_fp32")
    assert {"LPIPS vgg ↓", "L1 of normalised pixels ↓"} <= set(table.header)
    assert "soft L2" not in " ".join(table.header)
    assert not any("missing" in text for text in _notes(table, "LPIPS vgg"))
    hours = _table(tmp_path, "serezd_quantizers").header
    assert hours[-3:] == ("GPU h/epoch", "n", "state")


def test_runs_of_one_row_are_told_apart_and_never_folded(tmp_path: Path) -> None:
    for steps in (400, 800):
        for seed in range(2):
            _write(tmp_path, STANDARD, seed=seed, trainer__steps=steps)
    _write(tmp_path, STANDARD, trainer__steps=800, quantizer__beta=1.0)
    _write(tmp_path, EMA, "ema")
    frame, beside = _named(tmp_path, "serezd_quantizers")
    assert [(row.label, len(row.runs)) for row in frame.rows] == [
        (f"{STANDARD} steps=400 beta=0.25", 2),
        (f"{STANDARD} steps=800 beta=0.25", 2),
        (f"{STANDARD} steps=800 beta=1.0", 1),
        (EMA, 1),
    ]
    names = _names(build_table(frame, beside=beside))
    assert names.index("↳ published: standard_vqvae_cb4096") == 3
    assert sum("standard_vqvae_cb4096" in name for name in names) == 5  # reinit10like is another
    separate, _ = _named(tmp_path, "serezd_quantizers", separate=True)
    assert separate.rows[0].label == f"{STANDARD} steps=400 beta=0.25 seed=0"
    assert len({row.label for row in separate.rows}) == 6


def test_one_configuration_of_two_rows_stands_above_both(tmp_path: Path) -> None:
    for seed, row in enumerate(("minvqvae/masked_20_epochs", "minvqvae/masked_10_epochs")):
        _write(tmp_path, row, seed=seed)
    assert _names(_table(tmp_path, "minvqvae"))[:3] == [
        "minvqvae/masked_10_epochs = minvqvae/masked_20_epochs",
        "↳ published: patches masked 50 %, 10 epochs",
        "↳ published: patches masked 50 %, 20 epochs",
    ]


def test_another_scale_is_said_plainly(tmp_path: Path) -> None:
    typed = ["+experiment=x", "scale=small", "seed=1", "results=/r", "trainer.devices=2"]
    _write(tmp_path, STANDARD, typed=[*typed, "logger=wandb", "quantizer.beta=1"])
    _write(tmp_path, "swasun/ema_shuffled", "ema", data__name="cifar10")
    _write(tmp_path, "swasun/original_shuffled", data__name="cifar10", data__image_size=64)
    table = _table(tmp_path, "serezd_quantizers", "swasun")
    assert _notes(table, "other data") == [
        "ours: fashion_mnist 32 px f4, 800 steps of batch 32 (scale=small quantizer.beta=1); "
        "published: ImageNet 256 px f16, 300 epochs of batch 256"
    ]
    assert len(_notes(table, "same data, by name")) == len(_notes(table, "other resolution")) == 1
    assert "cifar10 64 px" in _notes(table, "other resolution")[0]
    _write(tmp_path, EMA, "ema", data__name="folder", data__image_size=256)
    assert len(_notes(_table(tmp_path, "serezd_quantizers"), "data unnamed")) == 1
    assert any(EMA in text for text in _notes(table, "not run here"))
    assert len(_notes(table, "source")) == 2


def test_caveats_are_marked_where_they_belong(tmp_path: Path) -> None:
    _write(tmp_path, "doraemonzzz/ema_fp32", "ema", metrics={"rfid": 9.0})
    table = _table(tmp_path, "doraemonzzz_fp32", columns=["usage", "rfid"])
    usage, rfid = table.rows[1][1:3]
    assert (usage.text, usage.mark, rfid.mark) == ("0.06", "¹", "")
    assert "product of FSQ levels" in _notes(table, "¹ usage")[0]
    marks = re.findall(r"[⁰¹²³⁴⁵⁶⁷⁸⁹]+", table.rows[1][-1].text)
    assert all(_notes(table, mark) for mark in marks)
    assert any(text.startswith("published: torchmetrics") for text in _notes(table, "rFID"))
    without = _table(tmp_path, "doraemonzzz_fp32", columns=["rfid"])
    assert not any("FSQ levels" in note.text for note in without.notes)


@pytest.mark.parametrize(("sign", "rho"), [(1, "+1.00"), (-1, "-1.00")])
def test_the_order_of_rows_is_compared_by_scale(tmp_path: Path, sign: int, rho: str) -> None:
    printed = {STANDARD: 23.77, EMA: 23.97, ENTROPY: 23.50, GUMBEL: 23.38}
    for i, (row, value) in enumerate(printed.items()):
        _write(tmp_path, row, metrics={"psnr_global": sign * value}, quantizer__beta=float(i))
    _write(tmp_path, EMA, metrics={"psnr_global": 0.0}, data__name="photos")
    _write(tmp_path, EMA, metrics={"psnr_global": 0.0}, trainer__steps=1)
    level = "order of rows (fashion_mnist 32 px, 800 steps of batch 32)"
    (text,) = _notes(_table(tmp_path, "serezd_quantizers"), level)
    assert f"PSNR of the set {rho} over 4 rows" in text
    _write(tmp_path, EMA, metrics={"psnr_global": 0.0}, quantizer__beta=9.0)
    (text,) = _notes(_table(tmp_path, "serezd_quantizers"), level)
    assert f"PSNR of the set {rho} over 3 rows" in text
    assert text.endswith(f"without {EMA}, run in several ways")


def test_rows_of_other_lengths_are_compared_where_the_published_ones_differ_too(
    tmp_path: Path,
) -> None:
    for i, row in enumerate((STANDARD, EMA, ENTROPY)):
        _write(tmp_path, row, trainer__steps=800 + i, metrics={"psnr_global": float(i)})
    frame, beside = _named(tmp_path, "serezd_quantizers")
    assert not _notes(build_table(frame, beside=beside), "order of rows")
    other = (Clause(("training",), "400 epochs of batch 256"),)
    published = tuple(
        replace(row, protocol=other) if row.row == EMA else row for row in beside.published
    )
    table = build_table(frame, beside=replace(beside, published=published))
    assert "over 3 rows" in _notes(table, "order of rows")[0]


def test_grey_in_a_terminal_and_italic_in_markdown(tmp_path: Path) -> None:
    _write(tmp_path, STANDARD)
    table = _table(tmp_path, "serezd_quantizers", columns=["usage", "psnr", "ssim"])
    dim = render_terminal(table, width=200, bold=True)
    assert "\033[2m↳ published: standard_vqvae_cb4096" in dim
    assert re.search("\033\\[2m *47\\.14", dim)
    assert "\033[2mserezd/standard_vqvae_cb4096 " not in dim
    plain = render_terminal(table, width=200, bold=False)
    assert "\033" not in plain
    undimmed = re.sub(r"\033\[\dm", "", dim).splitlines()[:6]
    assert [line.rstrip() for line in undimmed] == plain.splitlines()[:6]
    ours, theirs = (
        line
        for line in plain.splitlines()
        if (line.startswith(STANDARD) and "done" in line) or line.startswith("↳")
    )
    assert ours.index(".") == theirs.index(".")
    lines = render_markdown(table).splitlines()
    assert any(line.startswith("| *↳ published: standard") for line in lines)
    (line,) = (line for line in lines if "↳" in line)
    assert "| *47.14*¹ | - | *0.69* |  | *published* |" in line


def test_csv_lines_name_their_source(tmp_path: Path) -> None:
    _write(tmp_path, STANDARD)
    frame, beside = _named(tmp_path, "serezd_quantizers")
    lines = list(csv.DictReader(io.StringIO(render_rows(frame, beside))))
    assert [line["source"] for line in lines] == ["vqx"] + ["published"] * 5
    assert lines[0]["repeats"] == lines[1]["repeats"] == STANDARD
    assert lines[1]["row"] == f"published: {STANDARD}"
    assert (lines[1]["usage_mean"], lines[1]["usage_n"], lines[1]["usage_std"]) == (
        "0.4714",
        "",
        "",
    )
    assert lines[1]["published.caveat"].startswith("usage, perplexity: of the last batch alone")
    assert "source" not in render_rows(frame).splitlines()[0].split(",")


def test_without_a_row_that_is_published_labels_stay(tmp_path: Path) -> None:
    _write(tmp_path, None)
    _write(tmp_path, "mine/own", "ema")
    frame, _ = _named(tmp_path, "swasun")
    assert [row.label for row in frame.rows] == ["ema", "vq"]
    assert frame.heading == "quantizer"


def test_what_other_rows_leave_unsaid_is_theirs_alone(tmp_path: Path) -> None:
    _write(tmp_path, STANDARD, trainer__learning_rate=0.5)
    for i, rate in enumerate((0.1, 0.1, 0.1, 0.2)):
        _write(tmp_path, None, ("vq", "ema", "fsq", "fsq")[i], trainer__learning_rate=rate)
    table = _table(tmp_path, "serezd_quantizers")
    assert "learning_rate" not in table.caption
    assert _notes(table, "other rows") == ["unless named learning_rate=0.1"]
    assert "fsq learning_rate=0.2" in _names(table)


def test_sorting_keeps_a_published_row_under_the_first_of_ours(tmp_path: Path) -> None:
    _write(tmp_path, STANDARD, psnr=24.0)
    _write(tmp_path, EMA, "ema", psnr=25.0)
    _write(tmp_path, STANDARD, psnr=26.0, quantizer__beta=1.0)
    assert _names(_table(tmp_path, "serezd_quantizers", sort="psnr"))[:5] == [
        f"{STANDARD} beta=1.0",
        "↳ published: standard_vqvae_cb4096",
        EMA,
        "↳ published: ema_vqvae_cb4096",
        f"{STANDARD} beta=0.25",
    ]
