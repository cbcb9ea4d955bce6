"""Sweeps: what is planned has a folder before it runs, and rows are those Hydra will start."""

import math

import pytest

from tests.commands import TINY, result_of, run, start, status_of
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


def test_a_refused_run_leaves_no_queued_ghost(tmp_path):
    swept = run("vqx.train", "-m", "trainer.batch_size=0", "seed=0,1", *TINY, cwd=tmp_path)
    assert swept.returncode == 1
    assert swept.stderr.count("trainer.batch_size must be at least 1") >= 2
    orphan = run("vqx.train", "-m", "+experimnt=x", "seed=0,1", *TINY, cwd=tmp_path)
    assert orphan.returncode == 1
    folders = [path for path in (tmp_path / "results/runs").iterdir() if path.is_dir()]
    assert "queued" not in [status_of(folder)["state"] for folder in folders]


def test_a_sweep_with_a_misspelt_choice_writes_nothing(tmp_path):
    swept = run("vqx.train", "-m", "quantizer=fsq,nosuch", "seed=0,1", *TINY, cwd=tmp_path)
    assert swept.returncode == 1
    assert "there is no quantizer=nosuch" in swept.stderr
    folders = [p for p in (tmp_path / "results").glob("runs/*") if p.is_dir()]
    assert folders == []


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
