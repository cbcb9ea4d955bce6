"""The report as a data frame."""

from pathlib import Path

import pandas as pd
import pytest

import vqx.reporting
from tests.runs.synthetic import QUANTIZERS, config_of, result_of, write_run
from vqx.errors import VqxError
from vqx.reporting import table


@pytest.fixture
def runs(tmp_path: Path) -> str:
    for place, name in enumerate(QUANTIZERS):
        for seed in range(2):
            config = config_of(name, seed=seed)
            write_run(tmp_path, config, result=result_of(config, psnr=20 + place + seed / 10))
    return f"runs={tmp_path}"


def test_a_line_a_row_in_the_tables_order(runs: str, tmp_path: Path) -> None:
    frame = table(runs, "sort=psnr")
    assert frame["row"].tolist() == ["ema", "vq", "fsq"]
    assert frame["psnr_mean"].tolist() == pytest.approx([22.05, 21.05, 20.05])
    assert frame["psnr_n"].tolist() == [2, 2, 2]
    assert frame["usage_mean"].between(0, 1).all()
    assert "photos" in frame.attrs["caption"]
    assert "PSNR" in dict(frame.attrs["notes"])
    assert not (tmp_path / "results").exists()


def test_a_line_a_run(runs: str) -> None:
    frame = table(runs, "where=seed==1", per="run")
    assert len(frame) == 3
    assert frame["seed"].tolist() == [1, 1, 1]
    assert isinstance(frame, pd.DataFrame)
    assert frame["psnr_stamp"].str.contains("per image").all()


def test_numbers_are_numbers(runs: str) -> None:
    frame = table(runs, "published=minvqvae")
    numbers = frame.filter(regex="_(mean|std)$")
    assert all(dtype.kind == "f" for dtype in numbers.dtypes)
    assert numbers["rfid_mean"].isna().all() if "rfid_mean" in numbers else True
    assert frame["psnr_mean"].mean() > 0


def test_no_runs_is_an_error_and_other_names_are_none(tmp_path: Path) -> None:
    with pytest.raises(VqxError, match="no runs in"):
        table(f"runs={tmp_path}")
    with pytest.raises(AttributeError):
        vqx.reporting.no_such  # noqa: B018
