"""Sweeps as commands: planned before anything runs, each run once, and an account at the end."""

import math
import os

import pytest

from tests.commands import TINY, result_of, run, start, status_of
from tests.sweeps.trained_at_once import forked
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


# A sweep whose trainings are a formula: what is trained, and how often, is in the file `trained`.
def swept(cwd, *words):
    process, printed = forked("-m", *words, cwd=cwd, TRAINED=str(cwd / "trained"), FAIL_ABOVE="0.1")
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return code, printed.read_text()


def trained(cwd):
    return (cwd / "trained").read_text().splitlines()


@pytest.mark.parametrize("launcher", ["serial", "basic"])
def test_one_failing_row_costs_the_others_nothing(tmp_path, launcher):
    words = ("trainer.learning_rate=1,1e-3", f"hydra/launcher={launcher}")
    code, printed = swept(tmp_path, *words)
    assert code == 1
    assert "Error executing job" not in printed
    assert printed.count("vqx: too fast") == 1
    assert printed.splitlines()[-2].endswith(": 1 done, 1 failed")
    assert printed.splitlines()[-1].lstrip().startswith("failed: ")
    code, printed = swept(tmp_path, *words)
    assert code == 1
    assert "2 jobs: 1 done, 1 failed (retry=failed runs it again)" in printed
    assert len(trained(tmp_path)) == 2  # nothing was tried again
    code, printed = swept(tmp_path, *words, "retry=failed")
    assert code == 1
    assert "2 jobs: 1 to run, 1 done" in printed
    assert "vqx: too fast" in printed
    assert [trained(tmp_path).count(run) for run in dict.fromkeys(trained(tmp_path))] == [2, 1]


def test_two_sweeps_that_share_a_run_train_it_once(tmp_path):
    code, printed = swept(tmp_path, "quantizer=fsq", "seed=0,0")
    assert (code, len(trained(tmp_path))) == (0, 1), printed
    assert "2 jobs: 1 to run, 1 duplicate" in printed
    code, printed = swept(tmp_path, "quantizer=fsq,vq")
    assert (code, len(trained(tmp_path))) == (0, 2), printed
    assert "2 jobs: 1 to run, 1 done" in printed


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


@pytest.mark.long
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
