"""Cells of the heat map."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reporting.pictures.made_up import frame_of
from tests.runs.synthetic import config_of, result_of, write_run
from vqx.errors import ConfigError
from vqx.reporting.columns import columns_of
from vqx.reporting.frame import Frame
from vqx.reporting.pictures.heat_data import (
    check_key,
    over_keys,
    over_metrics,
    shade,
    varying_key,
)
from vqx.runs.status import State

BY_KEY = {column.key: column for column in columns_of([])}


def grid(runs: Path, *cells: tuple[float, int, float], **more: Any) -> Frame:
    """Runs of beta, codebook size and PSNR."""
    for beta, size, psnr in cells:
        config = config_of("vq", codebook_size=size, quantizer__codebook_size=size, **more)
        config["quantizer"]["beta"] = beta
        write_run(runs, config, result=result_of(config, psnr=psnr))
    return frame_of(runs)


def test_one_metric_over_two_keys(tmp_path: Path) -> None:
    frame = grid(tmp_path, (0.25, 256, 20), (0.25, 1024, 24), (1.0, 256, 22))
    heat = over_keys(frame.rows, ("quantizer.beta", "codebook_size"), BY_KEY["psnr"])
    assert (heat.rows, heat.columns) == (("0.25", "1.0"), ("256", "1024"))
    np.testing.assert_allclose(heat.values, [[20, 24], [22, np.nan]])
    np.testing.assert_allclose(heat.shade, [[0, 1], [0.5, np.nan]])
    assert heat.omissions[0].label == "1.0 x 1024"


def test_rows_that_share_a_cell_are_named_not_averaged(tmp_path: Path) -> None:
    grid(tmp_path, (0.25, 256, 20), (1.0, 256, 21))
    frame = grid(tmp_path, (0.25, 256, 30), data__image_size=32)
    heat = over_keys(frame.rows, ("quantizer.beta", "codebook_size"), BY_KEY["psnr"])
    np.testing.assert_allclose(heat.values, [[np.nan], [21]])
    assert "share the cell quantizer.beta=0.25 codebook_size=256" in heat.omissions[0].reason


def test_metrics_over_one_key_each_by_its_own_direction(tmp_path: Path) -> None:
    frame = grid(tmp_path, (0.25, 256, 20), (0.5, 256, 21), (1.0, 256, 24))
    heat = over_metrics(frame.rows, "quantizer.beta", [BY_KEY["psnr"], BY_KEY["lpips"]])
    assert heat.rows == ("0.25", "0.5", "1.0")
    np.testing.assert_allclose(heat.shade, [[0, 0], [0.25, 0.25], [1, 1]], atol=1e-9)


def test_rows_without_the_key_or_a_result_are_named(tmp_path: Path) -> None:
    write_run(tmp_path, config_of("fsq"))
    write_run(tmp_path, config_of("vq", quantizer__beta=2.0), state=State.FAILED)
    frame = grid(tmp_path, (0.25, 256, 20))
    heat = over_metrics(frame.rows, "quantizer.beta", [BY_KEY["psnr"]])
    assert {o.reason for o in heat.omissions} == {"no quantizer.beta", "no result (failed)"}
    assert np.isnan(heat.values).sum() == 1


@pytest.mark.parametrize(
    ("better", "expected"),
    [("higher", [0, 0.25, 1, np.nan]), ("lower", [1, 0.75, 0, np.nan]), (None, [np.nan] * 4)],
)
def test_shades_run_from_worst_to_best(better: str | None, expected: list[float]) -> None:
    np.testing.assert_allclose(shade(np.array([1, 2, 5, np.nan]), better), expected)


def test_equal_numbers_are_neither() -> None:
    np.testing.assert_allclose(shade(np.array([3.0, 3.0, np.nan]), "lower"), [0.5, 0.5, np.nan])


def test_levels_are_the_key_where_they_vary_else_what_does(tmp_path: Path) -> None:
    other = grid(tmp_path / "a", (0.25, 256, 20), (0.5, 256, 21))
    assert varying_key(other.rows) == "beta"
    assert varying_key(other.rows[:1]) is None
    for levels in ([8, 8], [8, 5, 5, 5]):
        write_run(tmp_path / "b", config_of("fsq", levels=levels, quantizer__levels=levels))
    assert varying_key(frame_of(tmp_path / "b").rows) == "levels"


def test_an_unknown_key_is_suggested(frame: Frame) -> None:
    for key in ("levels", "quantizer.beta", "beta", "restart.threshold"):
        check_key(key, frame.rows)
    with pytest.raises(ConfigError, match="did you mean 'levels'"):
        check_key("level", frame.rows)
