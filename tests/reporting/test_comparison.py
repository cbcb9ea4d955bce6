"""Differences to a baseline: paired by seed and by image, and honest about what cannot be."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.runs.synthetic import config_of, result_of, write_run
from vqx.errors import ConfigError
from vqx.reporting.cells import Cell, Table
from vqx.reporting.columns import columns_of
from vqx.reporting.comparison import IMAGE_MARK, MARK, baseline_row, compare
from vqx.reporting.frame import Frame, build_frame
from vqx.runs.reading import read_runs


def write(
    folder: Path,
    quantizer: str,
    psnrs: dict[int, float],
    *,
    images: Sequence[Sequence[float]] | None = None,
    digest: str = "abc",
    **metric: Any,
) -> None:
    """Runs of some seeds, with the PSNR of each image where they are given."""
    for place, (seed, psnr) in enumerate(psnrs.items()):
        config = config_of(quantizer, seed=seed)
        result = result_of(config, psnr=psnr)
        result["metrics"]["psnr"] |= metric
        path = write_run(folder, config, result=result)
        if images is not None:
            values = np.array(images[place], np.float32)
            np.savez(path / "per_image.npz", psnr=values, images=np.array(digest))


def tables_of(folder: Path, baseline: str = "vq", keys: Sequence[str] = ("psnr",)) -> list[Table]:
    frame: Frame = build_frame(read_runs([str(folder)])[0])
    results = [result for row in frame.rows for result in row.results]
    shown = [column for column in columns_of(results) if column.key in keys]
    return list(compare(frame.rows, baseline_row(frame.rows, baseline), shown))


def cell(table: Table, row: str, key: str = "psnr") -> Cell:
    line = next(line for line in table.rows if line[0].text == row)
    return line[table.keys.index(key)]


def test_seeds_are_paired_whatever_they_have_in_common_with_others(tmp_path: Path) -> None:
    """A difference that is the same for every seed is certain though the seeds are far apart."""
    write(tmp_path, "vq", {0: 20.0, 1: 25.0, 2: 30.0})
    write(tmp_path, "ema", {2: 30.6, 0: 20.5, 1: 25.4, 7: 99.0})
    found = cell(tables_of(tmp_path)[0], "ema")
    differences = [0.5, 0.4, 0.6]
    assert found.value == pytest.approx(0.5)
    low, high = stats.t.interval(0.95, 2, loc=0.5, scale=stats.sem(differences))
    assert found.spread == f"{(high - low) / 2:.2f}" == "0.25"
    assert (found.text, found.mark) == ("+0.50", MARK)
    assert found.hover == "3 seeds: +0.25 to +0.75"
    assert tables_of(tmp_path)[0].rows[0][-1].text == "3 seeds"


def test_a_difference_within_noise_has_no_mark(tmp_path: Path) -> None:
    write(tmp_path, "vq", {0: 20.0, 1: 25.0, 2: 30.0})
    write(tmp_path, "ema", {0: 21.0, 1: 24.0, 2: 30.9})
    found = cell(tables_of(tmp_path)[0], "ema")
    assert found.mark == ""
    assert found.text == "+0.3"


def test_one_pair_has_a_difference_and_no_interval(tmp_path: Path) -> None:
    write(tmp_path, "vq", {0: 20.0})
    write(tmp_path, "ema", {0: 19.5, 1: 30.0})
    found = cell(tables_of(tmp_path)[0], "ema")
    assert (found.text, found.spread, found.mark) == ("\u22120.500", "", "")
    assert tables_of(tmp_path)[0].rows[0][-1].text == "1 seed"


def test_images_are_paired_and_averaged_over_seeds(tmp_path: Path) -> None:
    source = random.Random(0)
    easy = [source.uniform(15, 35) for _ in range(200)]
    noise = [[source.gauss(0.1, 0.3) for _ in easy] for _ in range(2)]
    better = [[a + b for a, b in zip(easy, each, strict=True)] for each in noise]
    write(tmp_path, "vq", {0: 25.0, 1: 25.0}, images=[easy, easy])
    write(tmp_path, "ema", {0: 25.1, 1: 25.1}, images=better)
    table = tables_of(tmp_path)[1]
    found = cell(table, "ema")
    means = np.mean([np.float32(each) - np.float32(easy) for each in better], axis=0)
    assert found.value == pytest.approx(means.mean(), abs=1e-5)
    half = stats.t.ppf(0.975, 199) * means.std(ddof=1) / 200**0.5
    assert float(found.spread) == pytest.approx(half, rel=0.05)
    assert found.mark == IMAGE_MARK  # it says less than the mark over seeds
    assert table.rows[0][-1].text == "200 images, 2 seeds"


def test_seeds_of_different_images_are_not_averaged(tmp_path: Path) -> None:
    for name in ("vq", "ema"):
        for seed, digest in enumerate(("abc", "other")):
            write(tmp_path, name, {seed: 25.0}, images=[[1, 2, 3]], digest=digest)
    table = tables_of(tmp_path)[1]
    assert table.rows[0][-1].text == "-"
    reason = "its seeds were evaluated on different images"
    assert [note.text for note in table.notes if note.about == "no difference of all"] == [reason]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"digest": "other"}, "evaluated on other images"),
        ({"images": None}, r"no per_image.npz: `python -m vqx.evaluate RUN` writes it"),
    ],
)
def test_images_that_cannot_be_paired_say_why(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    write(tmp_path, "vq", {0: 25.0}, images=[[1, 2, 3]])
    write(tmp_path, "fsq", {0: 25.0}, images=[[1, 2, 4]])
    write(tmp_path, "ema", {0: 25.0}, **{"images": [[1, 2, 3]], **change})
    table = tables_of(tmp_path)[1]
    assert cell(table, "ema") == Cell("-")
    assert cell(table, "fsq").value == pytest.approx(1 / 3)
    (note,) = [note for note in table.notes if note.about.startswith("no difference")]
    assert note.about == "no difference of all"
    assert note.text == f"{reason} (ema)"


def test_another_protocol_and_no_common_seed_are_no_difference(tmp_path: Path) -> None:
    write(tmp_path, "vq", {0: 25.0, 1: 25.1})
    write(tmp_path, "ema", {0: 26.0, 1: 26.1}, stamp="global")
    write(tmp_path, "fsq", {5: 26.0})
    table = tables_of(tmp_path, keys=("psnr", "ssim"))[0]
    assert table.keys == ("row", "ssim", "pairs")  # of PSNR there is no difference to show
    assert cell(table, "ema", "ssim").value is not None
    notes = {note.about: note.text for note in table.notes}
    assert notes["no difference of PSNR"] == "measured by another protocol (ema)"
    assert notes["no difference of all"] == "no seed has a result in both rows (fsq)"


def test_only_metrics_with_a_direction_are_compared(tmp_path: Path) -> None:
    write(tmp_path, "vq", {0: 25.0})
    write(tmp_path, "ema", {0: 26.0})
    tables = tables_of(tmp_path, keys=("codes", "psnr", "parameters", "time"))
    assert tables[0].keys == ("row", "psnr", "pairs")
    with pytest.raises(ConfigError, match="there is no metric among the columns to compare"):
        tables_of(tmp_path, keys=("codes",))


def test_a_baseline_alone_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    write(tmp_path, "vq", {0: 25.0})
    with pytest.raises(ConfigError, match="there is no other row to compare"):
        tables_of(tmp_path)
