"""The tables that others printed, as they are kept in results/published."""

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vqx.errors import ConfigError
from vqx.reporting.columns import COLUMNS, VARIANTS
from vqx.reporting.published import (
    TITLES,
    TRAINING,
    Clause,
    Published,
    published_dir,
    read_table,
    read_tables,
    table_names,
)

CODEBOOKS = ("ema", "lfq", "fsq_8_6_5", "fsq_8_5_5_5", "fsq_7_5_5_5_5", "fsq_8_8_8_6_5")
CODEBOOKS += ("fsq_8_8_8_5_5_5", "sfsq_8_8_8_5_5_5")
ADVERSARIAL = ("noDisc", "fixed", "adaptive", "fixed_R1", "adaptive_R1")
ROWS = {
    "minvqvae": [
        f"minvqvae/{name}"
        for name in ("unmasked_10_epochs", "masked_10_epochs", "masked_20_epochs")
    ],
    "boessen": ["boessen/staged"],
    "doraemonzzz_fp32": [f"doraemonzzz/{name}_fp32" for name in CODEBOOKS],
    "doraemonzzz_bf16": [f"doraemonzzz/{name}_bf16" for name in CODEBOOKS],
    "swasun": [
        f"swasun/{name}_{order}"
        for order in ("shuffled", "unshuffled")
        for name in ("original", "ema", "ema_kaiming")
    ],
    "serezd_quantizers": [
        f"serezd/{name}_cb4096{end}"
        for name, end in (
            ("standard_vqvae", ""),
            ("standard_vqvae", "_reinit10like"),
            ("ema_vqvae", ""),
            ("entropy_vqvae", ""),
            ("gumbel_vqvae", ""),
        )
    ],
    "serezd_gan": [
        "serezd/standard_vqvae_cb1024",
        *(f"serezd/standard_vqgan_cb1024_{name}" for name in ADVERSARIAL),
    ],
    "serezd_vqgan": [
        f"serezd/{name}_vqgan_cb1024_adaptive_R1"
        for name in ("standard", "ema", "entropy", "gumbel")
    ],
}
# Sums of columns in the printed tables: a slip of the pen in any number shows.
SUMS = {
    ("doraemonzzz_bf16", "l1_normalized"): 2.4248,
    ("doraemonzzz_bf16", "lpips_vgg"): 2.3438,
    ("doraemonzzz_bf16", "rfid"): 620.3283,
    ("doraemonzzz_bf16", "usage"): 6.1173,
    ("doraemonzzz_fp32", "l1_normalized"): 2.2937,
    ("doraemonzzz_fp32", "lpips_vgg"): 2.2928,
    ("doraemonzzz_fp32", "rfid"): 560.5125,
    ("doraemonzzz_fp32", "usage"): 5.9987,
    ("literature", "lpips"): 0.504,
    ("literature", "perplexity"): 328.0,
    ("literature", "psnr"): 378.29,
    ("literature", "rfid"): 355.98,
    ("literature", "usage"): 7.201,
    ("minvqvae", "masked_soft_l2"): 0.01675754,
    ("minvqvae", "wall_minutes"): 47.0,
    ("serezd_gan", "hours_per_epoch"): 40.606,
    ("serezd_gan", "l2"): 0.0333,
    ("serezd_gan", "perplexity"): 4386.44,
    ("serezd_gan", "psnr_global"): 135.62,
    ("serezd_gan", "rfid"): 180.26,
    ("serezd_gan", "ssim"): 3.88,
    ("serezd_gan", "usage"): 5.8282,
    ("serezd_quantizers", "hours_per_epoch"): 10.885,
    ("serezd_quantizers", "l2"): 0.0211,
    ("serezd_quantizers", "perplexity"): 11410.61,
    ("serezd_quantizers", "psnr_global"): 118.68,
    ("serezd_quantizers", "rfid"): 251.99,
    ("serezd_quantizers", "ssim"): 3.44,
    ("serezd_quantizers", "usage"): 3.7183,
    ("serezd_vqgan", "hours_per_epoch"): 40.747,
    ("serezd_vqgan", "l2"): 0.0215,
    ("serezd_vqgan", "perplexity"): 3144.66,
    ("serezd_vqgan", "psnr_global"): 90.8,
    ("serezd_vqgan", "rfid"): 91.4,
    ("serezd_vqgan", "ssim"): 2.6,
    ("serezd_vqgan", "usage"): 3.7303,
    ("swasun", "nmse_times_4"): 0.862,
}


def _table(name: str) -> list[Published]:
    return read_table(published_dir() / f"{name}.csv")


def test_every_table_and_row_is_there_in_its_order() -> None:
    assert set(table_names()) == {*ROWS, "literature"}
    for name, rows in ROWS.items():
        assert [row.row for row in _table(name)] == rows
    assert len(_table("literature")) == 8 + 5 + 7 + 1 + 12


@pytest.mark.parametrize("name", [*ROWS, "literature"])
def test_a_table_says_what_its_numbers_are(name: str) -> None:
    rows = _table(name)
    assert len({row.row for row in rows}) == len(rows)
    known = {column.key for column in COLUMNS} | {"codes", *TITLES}
    for row in rows:
        assert row.table == name
        assert row.source
        assert row.protocol
        assert all((row.label, row.data, row.resolution.isdigit()))
        for key, text in row.texts.items():
            assert key in known or key.startswith(VARIANTS), key
            assert text[0].isdigit()
            assert math.isfinite(float(text))
        assert 0 <= (row.value("usage") or 0.0) <= 1
        for clause in (*row.protocol, *row.caveat):
            # A misspelt column would make the clause one about the whole row.
            assert clause.keys or ": " not in clause.text, clause.text
            assert set(clause.keys) <= {*row.texts, TRAINING}, (row.row, clause.keys)
        measured = {key for key in row.texts if "parameters" not in key and key != "codes"}
        assert all(row.about(key) for key in measured), row.row


@pytest.mark.parametrize(("name", "key"), SUMS)
def test_columns_add_up_to_what_was_printed(name: str, key: str) -> None:
    total = math.fsum(row.value(key) or 0.0 for row in _table(name))
    assert total == pytest.approx(SUMS[name, key], abs=1e-9)


def test_psnr_and_squared_error_are_one_number_on_the_unit_range() -> None:
    """The scale and the averaging that the caveats claim, from the numbers themselves."""
    for name in ("serezd_quantizers", "serezd_gan", "serezd_vqgan"):
        for row in _table(name):
            psnr, error = row.value("psnr_global"), row.value("l2")
            assert psnr is not None
            assert error is not None
            assert 10 ** (-psnr / 10) == pytest.approx(error, abs=1e-4), row.row


def test_levels_and_codes_agree_and_gan_rows_count_both_networks() -> None:
    for row in [*_table("doraemonzzz_fp32"), *_table("doraemonzzz_bf16")]:
        levels = [int(part) for part in row.row.split("_")[1:-1]]
        assert row.value("codes") == (math.prod(levels) if levels else 1024)
    for row in [*_table("serezd_gan"), *_table("serezd_vqgan")]:
        adversarial = "vqgan" in row.row and "noDisc" not in row.row
        assert ("total_parameters" in row.texts) == adversarial
        assert ("parameters" in row.texts) != adversarial


def test_a_row_of_two_tables_is_one() -> None:
    twice = "serezd/standard_vqgan_cb1024_adaptive_R1"
    first, second = (
        next(row for row in _table(name) if row.row == twice)
        for name in ("serezd_gan", "serezd_vqgan")
    )
    assert first.texts == second.texts
    rows = [row.row for row in read_tables(["serezd_gan", "serezd_vqgan"])]
    assert rows.count(twice) == 1
    assert len(rows) == 9
    assert len(read_tables(["all"])) == sum(map(len, ROWS.values())) - 1 + 33


HEAD = "table,row,label,data,resolution,downsampling,usage,l2,source,protocol,caveat\n"


def test_clauses_name_the_columns_they_are_about(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        HEAD + 't,a/b,b,X,32,4,0.5,,s,"training: 3 epochs; usage, l2: so; odd: x",one\n'
    )
    (row,) = read_table(path)
    assert row.protocol == (
        Clause(("training",), "3 epochs"),
        Clause(("usage", "l2"), "so"),
        Clause((), "odd: x"),
    )
    assert row.caveat == (Clause((), "one"),)
    assert (row.about("l2"), row.about("ssim"), row.value("l2")) == ("so", "", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD.replace("caveat", "caveats"), "has no column caveat"),
        (HEAD + "t,a/b,b,X,32,4,47 %,,s,p,c\n", "usage=47 % in a/b is no number"),
    ],
)
def test_a_damaged_table_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_table(path)


def test_an_installed_package_has_its_own_tables(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    package = tmp_path / "site" / "vqx"
    shutil.copytree(root / "vqx", package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(root / "conf", package / "conf")
    (package / "published").mkdir()
    shutil.copy(root / "results/published/swasun.csv", package / "published")
    done = subprocess.run(
        [sys.executable, "-m", "vqx.report", "published=sawsun"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(package.parent)},
        check=False,
    )
    assert "did you mean 'swasun'?); there are: swasun; or all" in done.stderr
