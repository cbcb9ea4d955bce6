"""Runs on several processes: the numbers of one, and no rank left behind when one fails."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands import TINY, environment, only_run, result_of, run, start, status_of
from tests.test_resume import wait_for_step

ROOT = str(Path(__file__).parent.parent)
EMA = (*TINY, "quantizer=ema", "codebook_size=64", "latent_channels=8", "trainer.device=cpu")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The folder of a run on one process; its evaluation set has an odd number of images."""
    place = tmp_path_factory.mktemp("alone")
    done = run("vqx.train", *EMA, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = only_run(place / "results")
    assert result_of(folder)["data"]["images"] % 2 == 1
    return folder


def assert_same_numbers(ours: Path, theirs: Path) -> None:
    assert ours.name == theirs.name, "where a run runs is no part of its signature"
    other = result_of(theirs)
    assert result_of(ours)["data"] == other["data"]
    for key, metric in result_of(ours)["metrics"].items():
        assert metric["value"] == pytest.approx(other["metrics"][key]["value"], rel=5e-3), key
        assert metric["stamp"] == other["metrics"][key]["stamp"]


@pytest.mark.slow
@pytest.mark.parametrize("spread", [["trainer.devices=2"], ["trainer.accumulation=3"]], ids=str)
def test_spreading_a_run_changes_no_number(spread, alone, tmp_path):
    done = run("vqx.train", *EMA, *spread, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_same_numbers(only_run(tmp_path / "results"), alone)


@pytest.mark.slow
@pytest.mark.long
def test_torchrun_gives_the_same_run(alone, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, "-m", "vqx.train", *EMA],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert_same_numbers(only_run(tmp_path / "results"), alone)
    assert done.stdout.count("PSNR of the set") == 1


@pytest.mark.slow
def test_a_failing_rank_ends_all_and_its_own_traceback_is_kept(tmp_path):
    failing = run(
        "vqx.train",
        *TINY,
        "trainer.devices=2",
        "trainer.device=cpu",
        "quantizer._target_=tests.broken_quantizers.FailsOnTheSecondRank",
        cwd=tmp_path,
        PYTHONPATH=ROOT,
    )
    assert failing.returncode == 1
    folder = only_run(tmp_path / "results")
    error = (folder / "error.txt").read_text()
    assert error.startswith("rank 1")
    assert "planted on the second rank" in error
    status = status_of(folder)
    assert status["state"] == "failed"
    assert "planted on the second rank" in status["message"]
    own_code = json.loads((folder / "environment.json").read_text())["own_code"]
    assert "tests/broken_quantizers.py" in own_code
    assert not any(name.startswith("vqx/") for name in own_code)


@pytest.mark.slow
def test_a_signal_to_the_parent_saves_on_all_ranks(tmp_path):
    arguments = (*EMA, "trainer.devices=2", "trainer.steps=5000", "trainer.checkpoint_every=2")
    process = start("vqx.train", *arguments, cwd=tmp_path)
    wait_for_step(process, tmp_path / "results", 4)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, output
    assert status_of(only_run(tmp_path / "results"))["state"] == "interrupted"


@pytest.mark.slow
def test_a_signal_while_ranks_start_is_no_failure(tmp_path):
    process = start("vqx.train", *EMA, "trainer.devices=2", cwd=tmp_path)
    end = time.monotonic() + 60
    while len(_children(process.pid)) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)  # the ranks are importing torch
    output, _ = process.communicate(timeout=90)
    assert process.returncode == 128 + signal.SIGTERM, output
    assert status_of(only_run(tmp_path / "results"))["state"] == "interrupted"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
def test_ranks_die_with_their_parent(tmp_path):
    arguments = (*EMA, "trainer.devices=2", "trainer.steps=100000", "trainer.checkpoint_every=2")
    process = start("vqx.train", *arguments, cwd=tmp_path)
    wait_for_step(process, tmp_path / "results", 2)
    children = _children(process.pid)
    assert len(children) >= 2
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    end = time.monotonic() + 20
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < end:
        time.sleep(0.1)
    assert not [child for child in children if Path(f"/proc/{child}").exists()]


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]
