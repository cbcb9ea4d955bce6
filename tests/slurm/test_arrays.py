"""Sweeps as job arrays: failures stay alone, what is submitted is known, nothing runs twice."""

import csv
import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.commands import run, status_of
from tests.slurm.cluster import wait_until
from tests.slurm.sweeps import (
    assert_as_undisturbed,
    folders,
    settle,
    start,
    sweep,
    wait_for_all,
    wait_for_state,
    wait_for_step,
)

pytestmark = [pytest.mark.slurm, pytest.mark.slow]


def test_one_failing_job_is_named_and_harms_no_other(cluster, tmp_path, undisturbed):
    rows = 'hydra.sweeper.rows=["seed=0","seed=1","seed=7 +quantizer.fail_at=30"]'
    code, output = sweep(cluster, tmp_path, rows, "wait=true")
    found = folders(tmp_path)
    failed = found.pop(7)
    assert code == 1, output
    assert str(failed.relative_to(tmp_path)) in output
    assert_as_undisturbed(found, undisturbed)
    assert status_of(failed)["state"] == "failed"
    assert "a fault planted on rank 0" in (failed / "error.txt").read_text()
    states = {state for state, _ in cluster.jobs().values()}
    assert states >= {"COMPLETED", "FAILED"}
    log = tmp_path / json.loads((failed / "submission.json").read_text())["log"]
    assert "a fault planted on rank 0" in log.read_text()

    again, output = sweep(cluster, tmp_path, rows, "plan=true")
    assert again == 0
    assert "2 done" in output
    assert "1 failed" in output
    assert "to run" not in output
    _, output = sweep(cluster, tmp_path, rows, "plan=true", "retry=failed")
    assert "1 to run" in output


def test_detached_it_returns_at_once_and_submits_nothing_twice(cluster, tmp_path, undisturbed):
    words = ("seed=0,1,2",)
    code, output = sweep(cluster, tmp_path, *words, pause=0.3)
    assert code == 0, output
    assert len(cluster.live()) == 3
    assert "vqx.status" in output
    submitted = set(cluster.jobs())
    again, output = sweep(cluster, tmp_path, *words)
    assert again == 0, output
    assert "to run" not in output
    assert set(cluster.jobs()) == submitted
    wait_for_all(tmp_path, range(3))
    assert_as_undisturbed(folders(tmp_path), undisturbed)
    assert _table(tmp_path, cluster) == _table(_serial_copy(undisturbed, tmp_path), cluster)


def _serial_copy(undisturbed: dict[int, Path], tmp_path: Path) -> Path:
    """A results folder with the undisturbed runs of the same seeds."""
    place = tmp_path / "serial"
    (place / "results/runs").mkdir(parents=True)
    for seed in range(3):
        source = undisturbed[seed]
        (place / "results/runs" / source.name).symlink_to(source)
    return place


def _table(place: Path, cluster) -> list[dict[str, str]]:
    """The report's rows, a line a run, without what a clock says."""
    done = run("vqx.report", cwd=place)
    assert done.returncode == 0, done.stderr
    with (place / "results/tables/ablation-runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    clocks = ("time", "device_hours", "images_per_second", "process_memory", "folder")
    return [{k: v for k, v in row.items() if k not in clocks} for row in rows]


def test_cancelled_jobs_save_say_so_and_go_on_later(cluster, tmp_path, undisturbed):
    words = ("seed=0,1,2,3", "max_parallel=2")
    code, output = sweep(cluster, tmp_path, *words, pause=0.5)
    assert code == 0, output
    running = []

    def two_run() -> bool:
        running[:] = [f for f in folders(tmp_path).values() if status_of(f)["state"] == "running"]
        return len(running) == 2

    wait_until(two_run, seconds=120, what="two running jobs")
    assert sum(state == "RUNNING" for state, _ in cluster.live().values()) == 2  # max_parallel
    for folder in running:
        wait_for_step(folder, 4)
    code, output = sweep(cluster, tmp_path, *words, "cancel=true")
    assert code == 0, output
    wait_until(lambda: not cluster.live(), seconds=60, what="an empty queue")
    for folder in folders(tmp_path).values():
        wait_for_state(folder, "interrupted")
    code, output = sweep(cluster, tmp_path, *words, "wait=true")
    assert code == 0, output
    assert_as_undisturbed(folders(tmp_path), undisturbed)


def test_a_launcher_killed_while_it_waits_loses_nothing(cluster, tmp_path, undisturbed):
    process = start(cluster, tmp_path, "seed=0,1", "wait=true", pause=0.4)
    while not (tmp_path / "results/runs").exists() or len(cluster.live()) < 2:
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.1)
    settle(1.0)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert len(cluster.live()) == 2
    submitted = set(cluster.jobs())
    code, output = sweep(cluster, tmp_path, "seed=0,1", "wait=true")  # waits for the same jobs
    assert code == 0, output
    assert_as_undisturbed(folders(tmp_path), undisturbed)
    assert set(cluster.jobs()) == submitted


def test_ctrl_c_while_waiting_leaves_the_jobs_running(cluster, tmp_path):
    process = start(cluster, tmp_path, "seed=0,1", "wait=true", pause=0.4)
    while len(cluster.live()) < 2:
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.1)
    settle(2.0)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT, output
    assert "cancel=true" in output
    assert len(cluster.live()) == 2
    wait_for_all(tmp_path, range(2))


def test_two_multiruns_at_once_train_each_run_once(cluster, tmp_path, undisturbed):
    both = [start(cluster, tmp_path, "seed=0,1,2", "wait=true", pause=0.05) for _ in range(2)]
    outputs = [process.communicate(timeout=240)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    found = folders(tmp_path)
    assert_as_undisturbed(found, undisturbed)
    for folder in found.values():
        text = (folder / "environment.json").read_text()
        assert text.count('"command"') == 1, text  # one session


def test_a_thousand_jobs_are_split_over_arrays(cluster, tmp_path):
    hold = "+hydra.launcher.additional_parameters.hold=true"
    began = time.monotonic()
    code, output = sweep(cluster, tmp_path, "seed=range(0,1002)", hold, "max_parallel=64")
    assert code == 0, output
    assert time.monotonic() - began < 120
    jobs = cluster.live()
    assert len(jobs) == 1002
    assert {state for state, _ in jobs.values()} == {"PENDING"}
    assert len({job.split("_")[0] for job in jobs}) == 2
    code, output = sweep(cluster, tmp_path, "seed=range(0,1002)", "plan=true")
    assert "to run" not in output
    code, output = sweep(cluster, tmp_path, "seed=range(0,1002)", "cancel=true")
    assert code == 0, output
    assert not cluster.live()
