"""Killed, stopped, doubled: a run ends with the bits of the unbroken one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bits import assert_same_bits
from tests.commands import (
    TINY,
    environment,
    lines_of,
    only_run,
    result_of,
    run,
    start,
    status_of,
)
from vqx.training.checkpoints import load_newest

# Of the quantizers EMA has the most state to lose: averages, counts, restarts.
LONG = (
    *TINY,
    "quantizer=ema",
    "trainer.steps=30",
    "trainer.checkpoint_every=1",
    "trainer.evaluate_every=7",
)
DEADLINE = 120


def wait_for_step(process, results: Path, step: int) -> None:
    """Until the run under `results` has a checkpoint of `step` or later."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        names = sorted(path.name for path in results.glob("runs/*/checkpoints/step-*.pt"))
        if names and int(names[-1].split("-")[1]) >= step:
            return
        if process.poll() is not None:
            raise AssertionError(process.stdout.read())
        time.sleep(0.002)
    raise AssertionError(f"no step {step} in {DEADLINE} s")


def assert_equal_runs(ours: Path, theirs: Path) -> None:
    """Same final metrics bit for bit, same log line by line, same weights and optimizer."""
    assert result_of(ours)["metrics"] == result_of(theirs)["metrics"]
    assert lines_of(ours) == lines_of(theirs)
    (our_state, _), (state, _) = (load_newest(folder / "checkpoints") for folder in (ours, theirs))
    for part in ("tokenizer", "optimizer", "window", "health"):
        assert_same_bits(our_state[part], state[part])


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """The folder of a run that nothing disturbed."""
    place = tmp_path_factory.mktemp("unbroken")
    done = run("vqx.train", *LONG, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    return only_run(place / "results")


@pytest.mark.slow
@pytest.mark.long
def test_ended_at_random_moments_it_ends_with_the_same_bits(tmp_path):
    """Twenty kills, some stop signals and freezes, anywhere between a start and its end."""
    program = [sys.executable, "-m", "tests.killing", str(tmp_path), "7", "20"]
    root = Path(__file__).parent.parent
    done = subprocess.run(program, cwd=root, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["ends"]["SIGKILL"] >= 20
    # Who was taken over while it slept ends with an error, and the last one finishes.
    frozen = f"frozen{summary['tries']}"
    assert summary["frozen"] == [1, 1, 1, 0], (tmp_path / frozen / "log.txt").read_text()
    for name in (*map(str, range(summary["rounds"])), frozen):
        log = (tmp_path / name / "log.txt").read_text()
        ours = only_run(tmp_path / name)
        assert (ours / "result.json").exists(), log
        assert_equal_runs(ours, only_run(tmp_path / "unbroken"))
        lines = [(line["kind"], line["step"]) for line in lines_of(ours)]
        assert len(lines) == len(set(lines))
        assert list(ours.rglob("*.tmp")) == []


# Both players at work, with LeCam's averages and R1 between its due steps.
PLAYERS = (
    *LONG,
    "loss=vqgan",
    "~loss.terms.lpips",
    "loss.terms.adversarial.start_step=4",
    "loss.terms.adversarial.term.lecam_weight=0.1",
    "loss.terms.adversarial.term.r1_gamma=1",
    "loss.terms.adversarial.term.r1_interval=5",
    "loss.terms.adversarial.term.discriminator.width=8",
)


@pytest.mark.long
@pytest.mark.slow
def test_killed_with_a_discriminator_at_work_it_ends_with_the_same_bits(tmp_path):
    theirs = tmp_path / "unbroken"
    theirs.mkdir()
    done = run("vqx.train", *PLAYERS, cwd=theirs)
    assert done.returncode == 0, done.stdout + done.stderr
    for step in (2, 12):
        process = start("vqx.train", *PLAYERS, cwd=tmp_path)
        wait_for_step(process, tmp_path / "results", step)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    resumed = run("vqx.train", *PLAYERS, cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    folders = [only_run(place / "results") for place in (tmp_path, theirs)]
    assert_equal_runs(*folders)
    states = [load_newest(folder / "checkpoints")[0] for folder in folders]
    for part in ("losses", "adversary"):
        assert_same_bits(states[0][part], states[1][part])


KILLED_WHILE_SAVING = """
import os, pathlib, signal, sys
replace, count = pathlib.Path.replace, 0
def replace_or_die(self, target):
    global count
    count += str(target).endswith(".pt")
    if count == 9:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)
pathlib.Path.replace = replace_or_die
from vqx.train import main
main()
"""


@pytest.mark.slow
def test_killed_between_writing_and_naming_a_checkpoint_it_loses_that_one_only(unbroken, tmp_path):
    command = [sys.executable, "-c", KILLED_WHILE_SAVING, *LONG]
    killed = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    folder = only_run(tmp_path / "results")
    assert len(list((folder / "checkpoints").glob(".*.tmp"))) == 1
    resumed = run("vqx.train", *LONG, cwd=tmp_path)
    assert "resuming at step 8" in resumed.stdout, resumed.stdout + resumed.stderr
    assert_equal_runs(folder, unbroken)
    assert list(folder.rglob("*.tmp")) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.long),
        pytest.param(signal.SIGTERM, marks=pytest.mark.long),
        signal.SIGUSR2,
    ],
)
def test_stopped_by_a_signal_it_saves_says_so_and_resumes(number, unbroken, tmp_path):
    process = start("vqx.train", *LONG, cwd=tmp_path)
    wait_for_step(process, tmp_path / "results", 5)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number, output
    assert f"stopped by signal {int(number)}" in output
    assert "Traceback" not in output
    assert status_of(only_run(tmp_path / "results"))["state"] == "interrupted"
    assert run("vqx.train", *LONG, cwd=tmp_path).returncode == 0
    assert_equal_runs(only_run(tmp_path / "results"), unbroken)


@pytest.mark.slow
def test_a_damaged_newest_checkpoint_is_passed_over(unbroken, tmp_path):
    process = start("vqx.train", *LONG, cwd=tmp_path)
    wait_for_step(process, tmp_path / "results", 9)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    folder = only_run(tmp_path / "results")
    newest = max((folder / "checkpoints").glob("step-*.pt"))
    newest.write_bytes(newest.read_bytes()[:1000])
    resumed = run("vqx.train", *LONG, cwd=tmp_path)
    assert resumed.returncode == 0
    assert f"{newest.name} is damaged" in resumed.stdout
    assert_equal_runs(folder, unbroken)


@pytest.mark.slow
def test_a_second_process_is_told_who_holds_the_run(tmp_path):
    arguments = (*LONG, "trainer.steps=100000")
    process = start("vqx.train", *arguments, cwd=tmp_path)
    try:
        wait_for_step(process, tmp_path / "results", 1)
        second = run("vqx.train", *arguments, cwd=tmp_path)
        assert second.returncode == 1
        assert f"is held by pid {process.pid} on host" in second.stderr
        assert len(second.stderr.strip().splitlines()) == 1
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_nothing_is_lost(unbroken, tmp_path):
    size = sum(path.stat().st_size for path in unbroken.rglob("*") if path.is_file())
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.system(f"mount -t tmpfs -o size={size * 6 // 10} tmpfs {disk} 2>/dev/null") != 0:
        pytest.skip("needs the right to mount a small tmpfs (root)")
    try:
        full = run("vqx.train", *LONG, f"results={disk}", cwd=tmp_path)
        assert full.returncode == 1
        assert "disk full while writing" in full.stderr
        assert "Traceback" not in full.stderr
        assert len(full.stderr.strip().splitlines()) == 1, full.stderr
        os.system(f"mount -o remount,size=64m {disk}")
        assert run("vqx.train", *LONG, f"results={disk}", cwd=tmp_path).returncode == 0
        assert_equal_runs(only_run(disk), unbroken)
    finally:
        os.system(f"umount {disk}")
