"""`report --diff` as a user reads it."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.runs.synthetic import config_of, environment_of, result_of, write_run
from vqx.errors import ConfigError
from vqx.reporting.diff import diff, render_diff
from vqx.reporting.two_runs import read_folder
from vqx.runs.status import State

DIRTY = {"commit": "c" * 40, "dirty": True, "diff_sha256": "aaaa", "untracked": []}


def _write(folder: Path, choice: str = "fsq", *, psnr: float = 25.0, **options: Any) -> Path:
    keys = ("environment", "state", "message", "step")
    config = config_of(choice, **{k: v for k, v in options.items() if k not in keys})
    status = {k: v for k, v in options.items() if k in keys}
    result = result_of(config, psnr=psnr) if "state" not in options else None
    path = write_run(folder, config, result=result, **status)
    if result:
        values = np.linspace(psnr - 1, psnr + 1, 50).astype("f4") + np.arange(50) % 3 * psnr / 100
        np.savez(path / "per_image.npz", psnr=values, images=np.array("one digest"))
    return path


def _diff(a: Path, b: Path, *, width: int = 100, bold: bool = False) -> str:
    return render_diff(read_folder(a), read_folder(b), width=width, bold=bold)


def test_all_that_differs_is_shown(tmp_path: Path) -> None:
    a = _write(tmp_path, "fsq", environment=environment_of(git=DIRTY))
    b = _write(tmp_path, "ema", psnr=26.0, trainer__devices=2)
    text = _diff(a, b)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for line in (
        f"A {a}",
        f"B {b}",
        "quantizer._target_ vqx.quantizers.FSQ vqx.quantizers.EMA",
        "levels 8,5,5,5 -",
        "trainer.devices 1 2",
        "code cccccccccc with changes aaaa f8add72c0f",
        f"`less {a / 'code.diff'}`",
        "* the interval of 95 % excludes zero",
        "intervals are over images: another seed may differ by more",
    ):
        assert line in lines
    (psnr,) = (line for line in lines if line.startswith("PSNR"))
    assert psnr.startswith("PSNR ↑ dB 25.00 26.00 +1.00 better +1.01 [+1.01, +1.01] *")
    assert "A and B differ in 9 keys that can change numbers (levels, " in " ".join(lines)
    assert "1 key that cannot; code; metrics." in " ".join(lines)


def test_equal_runs_say_so(tmp_path: Path) -> None:
    a = _write(tmp_path, environment=environment_of(git=DIRTY))
    b = shutil.copytree(a, tmp_path / "copies" / a.name)
    text = _diff(a, b)
    assert "No key differs that can change a number." in text
    assert "equal: uncommitted changes of code (code.diff)" in text
    assert "equal: vqx 0.1.0, code cccccccccc with changes aaaa, python 3.11.7" in text
    assert "121 packages" in text
    assert "equal: protocols of all metrics, the 50 images by their content" in text
    assert text.endswith("A and B are equal in configuration, environment and every metric.\n")
    assert "another seed" not in text


def test_changes_of_code_that_differ_can_be_looked_at(tmp_path: Path) -> None:
    a = _write(tmp_path, environment=environment_of(git=DIRTY))
    b = _write(tmp_path, seed=1, environment=environment_of(git={**DIRTY, "diff_sha256": "bbbb"}))
    assert f"`diff -u {a / 'code.diff'} {b / 'code.diff'}`" in _diff(a, b)


def test_runs_without_result(tmp_path: Path) -> None:
    a = _write(tmp_path)
    b = _write(tmp_path, "vq", state=State.FAILED, message="RuntimeError: out of memory", step=30)
    text = _diff(a, b)
    assert "failed at step 30 of 800: RuntimeError: out of memory" in text
    assert "no result.json, so no metrics: B" in text
    c = _write(tmp_path, "vq", seed=3, state=State.QUEUED)
    text = _diff(b, c)
    assert "no environment.json that can be read in B" in text
    assert "no result.json, so no metrics: A and B" in text
    assert "Size and cost" not in text


def test_many_packages_are_cut_with_their_number(tmp_path: Path) -> None:
    a = _write(tmp_path)
    packages = {"torch": "3", **{f"package-{i}": "2.0" for i in range(50)}}
    b = _write(tmp_path, seed=1, environment=environment_of(packages=packages))
    text = _diff(a, b)
    assert "and 31 packages of other versions" in text
    assert "70 packages in A alone: package-100 1.0, " in text
    assert "and 50 more" in text
    assert "121 packages" in text.splitlines()[-1]


@pytest.mark.parametrize("width", [60, 80, 140])
def test_it_fits(tmp_path: Path, width: int) -> None:
    long = {"quantizer__restart__a_very_long_name_of_a_key_of_somebody": "x/" * 60}
    a = _write(tmp_path, "ema", **long)
    b = _write(tmp_path, "vq", psnr=26.0, environment=environment_of(git=DIRTY, cpu="y " * 80))
    lines = _diff(a, b, width=width).splitlines()
    wide = [line for line in lines if len(line) > width]
    assert all(line.startswith(("A  ", "B  ", "`less")) for line in wide)


def test_styles_only_where_asked_for(tmp_path: Path) -> None:
    a, b = _write(tmp_path), _write(tmp_path, seed=1, psnr=26.0)
    assert "\033" not in _diff(a, b)
    assert "\033[32mbetter" in _diff(a, b, bold=True)


def test_the_command(tmp_path: Path) -> None:
    a, b = _write(tmp_path), _write(tmp_path, "ema")
    shown: list[str] = []
    options: dict[str, Any] = {"places": [str(tmp_path)], "width": 80, "bold": False}
    diff([a.name[-10:], "ema"], show=shown.append, **options)
    assert shown == [_diff(a, b, width=80)]
    with pytest.raises(ConfigError):
        diff(["ema"], show=shown.append, **options)
