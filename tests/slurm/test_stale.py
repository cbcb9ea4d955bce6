"""Code and options edited while jobs are queued: refused, warned of, or kept out by a copy."""

import shutil
from pathlib import Path

import pytest

from tests.commands import status_of
from tests.slurm.cluster import Cluster, wait_until
from tests.slurm.sweeps import folders, sweep

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

_OWN = """\
# @package _global_
defaults:
  - ema
  - _self_
quantizer:
  _target_: mine.MyEMA
  commitment: 0.25
"""
_HOLD = "+hydra.launcher.additional_parameters.hold=true"


def _own_quantizer(place: Path) -> tuple[str, ...]:
    """A user's own quantizer beside a user's own configuration; the words that choose it."""
    (place / "conf_mine/quantizer").mkdir(parents=True)
    (place / "conf_mine/quantizer/mine.yaml").write_text(_OWN)
    source = Path(__file__).with_name("disturbed.py").read_text()
    (place / "mine.py").write_text(source.replace("DisturbedEMA", "MyEMA"))
    return ("--config-dir=conf_mine", "quantizer=mine", "quantizer._target_=mine.MyEMA")


def _edit(place: Path) -> None:
    """What a user does while the job waits: another weight, and another line of code."""
    path = place / "conf_mine/quantizer/mine.yaml"
    path.write_text(path.read_text().replace("0.25", "1.0"))
    code = place / "mine.py"
    code.write_text(code.read_text() + "\n# edited\n")


def _release_and_end(cluster: Cluster) -> None:
    (job,) = {job.split("_")[0] for job in cluster.live()}
    cluster.slurm("scontrol", "release", job)
    wait_until(lambda: not cluster.live(), seconds=120, what="an end of the job")


@pytest.mark.parametrize("stale", ["refuse", "warn", "snapshot"])
def test_edited_while_queued(cluster, tmp_path, stale):
    words = _own_quantizer(tmp_path)
    option = "snapshot=true" if stale == "snapshot" else f"stale={stale}"
    code, output = sweep(cluster, tmp_path, *words, "seed=0", _HOLD, option)
    assert code == 0, output
    (folder,) = folders(tmp_path).values()
    _edit(tmp_path)
    _release_and_end(cluster)
    status = status_of(folder)
    if stale == "refuse":
        assert status["state"] == "failed"
        assert "mine.py" in status["message"]
        assert "commitment" in status["message"]
        assert "no longer compose" not in status["message"]
        assert {state for state, _ in cluster.jobs().values()} >= {"FAILED"}
        shutil.rmtree(tmp_path / "conf_mine")
        shutil.rmtree(folder)
    else:
        assert status["state"] == "done", status
        assert "commitment: 0.25" in (folder / "config.yaml").read_text()
    logs = "".join(
        path.read_text() for path in (tmp_path / "results/runs/.submitit").rglob("*_log.*")
    )
    assert ("mine.py" in logs) == (stale != "snapshot"), logs
