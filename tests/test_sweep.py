"""Sweeps as commands: planned before anything runs, each run once, and an account at the end."""

import math

import pytest

from tests.commands import TINY, only_run, result_of, run, start, status_of
from vqx.config import conf_dir


@pytest.mark.slow
def test_runs_that_have_not_started_are_queued_and_reported(tmp_path):
    process = start("vqx.train", "-m", "seed=0,1,2", *TINY, "trainer.steps=100000", cwd=tmp_path)
    try:
        for line in process.stdout:
            if "starting" in line:
                break
        folders = [path for path in (tmp_path / "results/runs").iterdir() if path.is_dir()]
        states = sorted(status_of(folder)["state"] for folder in folders)
        assert states == ["queued", "queued", "running"]
        report = run("vqx.report", cwd=tmp_path)
        assert "running" in report.stdout
        assert "missing" in report.stdout
    finally:
        process.kill()
        process.wait()


def test_a_sweep_with_a_mistake_in_one_job_writes_nothing(tmp_path):
    swept = run("vqx.train", "-m", "quantizer=fsq,nosuch", "seed=0,1", *TINY, cwd=tmp_path)
    assert swept.returncode == 1
    (line,) = swept.stderr.splitlines()
    assert line.startswith("vqx: there is no quantizer=nosuch")
    assert line.endswith("(jobs 3, 4 of 4); nothing was started")
    assert list(tmp_path.iterdir()) == []


def test_a_plan_writes_nothing(tmp_path):
    planned = run("vqx.train", "-m", "quantizer=fsq,vq", *TINY, "plan=true", cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert planned.stdout.splitlines()[1].endswith("quantizer=fsq")
    assert ": 2 jobs: 2 to run" in planned.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("launcher", ["serial", "basic"])
def test_one_failing_row_costs_the_others_nothing(tmp_path, launcher):
    command = ("-m", "trainer.batch_size=0,8", *TINY, f"hydra/launcher={launcher}")
    swept = run("vqx.train", *command, cwd=tmp_path)
    assert swept.returncode == 1
    assert "Error executing job" not in swept.stdout + swept.stderr
    assert swept.stderr.count("trainer.batch_size must be at least 1") == 1
    assert swept.stdout.splitlines()[-2].endswith(": 1 done, 1 failed")
    assert swept.stdout.splitlines()[-1].lstrip().startswith("failed: ")
    again = run("vqx.train", *command, cwd=tmp_path)
    assert again.returncode == 1
    assert "2 jobs: 1 done, 1 failed (retry=failed runs it again)" in again.stdout
    assert again.stderr == ""  # nothing was tried again
    retried = run("vqx.train", *command, "retry=failed", cwd=tmp_path)
    assert "2 jobs: 1 to run, 1 done" in retried.stdout
    assert "trainer.batch_size must be at least 1" in retried.stderr


def test_two_sweeps_that_share_a_run_train_it_once(tmp_path):
    first = run("vqx.train", "-m", "quantizer=fsq", "seed=0,0", *TINY, cwd=tmp_path)
    assert "2 jobs: 1 to run, 1 duplicate" in first.stdout, first.stderr
    assert first.stdout.count("starting: ") == 1
    result = only_run(tmp_path / "results") / "result.json"
    before = result.stat().st_mtime_ns
    second = run("vqx.train", "-m", "quantizer=fsq,vq", *TINY, cwd=tmp_path)
    assert "2 jobs: 1 to run, 1 done" in second.stdout, second.stderr
    assert second.stdout.count("starting: ") == 1
    assert second.returncode == 0
    assert result.stat().st_mtime_ns == before


@pytest.mark.slow
def test_ctrl_c_ends_the_whole_sweep(tmp_path):
    import signal

    process = start("vqx.train", "-m", "seed=0,1", *TINY, "trainer.steps=100000", cwd=tmp_path)
    for line in process.stdout:
        if "step 2/" in line:
            break
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT, output
    folders = [path for path in (tmp_path / "results/runs").iterdir() if path.is_dir()]
    states = sorted(status_of(folder)["state"] for folder in folders)
    assert states == ["interrupted", "queued"]


@pytest.mark.slow
def test_every_family_trains_by_one_command(tmp_path):
    sweep = run("vqx.train", "-m", "quantizer=glob(*)", *TINY, cwd=tmp_path)
    assert sweep.returncode == 0, sweep.stdout[-2000:] + sweep.stderr[-2000:]
    names = {path.stem for path in (conf_dir() / "quantizer").glob("*.yaml")}
    folders = [path for path in (tmp_path / "results/runs").iterdir() if path.is_dir()]
    assert {folder.name.split("-")[0] for folder in folders} == names
    for folder in folders:
        assert status_of(folder)["state"] == "done", folder.name
        metrics = result_of(folder)["metrics"]
        assert math.isfinite(metrics["psnr"]["value"]), folder.name
        assert {"usage", "bit_entropy"} & metrics.keys(), folder.name
