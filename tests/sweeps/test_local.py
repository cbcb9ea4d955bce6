"""Jobs side by side on one machine: their shares, their ends, and signals to the pool."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from tests.commands import environment, result_of, status_of
from tests.sweeps.planned_jobs import queued
from tests.sweeps.stand_in_job import StandIn
from vqx.errors import ConfigError
from vqx.sweeps.pool import Pool
from vqx.sweeps.slots import Slot, slots_for, visible_gpus


def run_config(devices=1, device="auto"):
    return {"trainer": {"devices": devices, "device": device}}


@pytest.fixture
def machine(monkeypatch):
    """Eight cores and four GPUs, two of which were given to this process."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1, GPU-3f")


@pytest.mark.parametrize(
    ("runs", "asked", "gpus", "cores"),
    [
        ([run_config()] * 5, {}, ["1", "GPU-3f"], ["0-3", "4-7"]),
        ([run_config()] * 5, {"max_parallel": 1}, ["1"], ["0-7"]),
        ([run_config(2)] * 5, {}, ["1,GPU-3f"], ["0-7"]),
        ([run_config()] * 5, {"slots": 4}, ["1", "GPU-3f"] * 2, ["0-1", "2-3", "4-5", "6-7"]),
        ([run_config(2, "cpu")] * 5, {}, [""] * 4, ["0-1", "2-3", "4-5", "6-7"]),
        ([run_config(1, "cpu")] * 3, {"cores_per_job": 3}, ["", ""], ["0-2", "3-5"]),
        ([run_config(1, "cpu")] * 2, {}, ["", ""], ["0-3", "4-7"]),
        ([run_config()], {}, ["1"], ["0-7"]),
    ],
)
def test_each_job_has_its_own_share(machine, runs, asked, gpus, cores):
    usual = {"slots": None, "cores_per_job": None, "max_parallel": None}
    slots = slots_for(runs, **{**usual, **asked})
    assert [",".join(slot.gpus) for slot in slots] == gpus
    assert [f"{slot.cores[0]}-{slot.cores[-1]}" for slot in slots] == cores


def test_what_the_machine_cannot_give_is_refused(machine, monkeypatch):
    usual = {"cores_per_job": None, "max_parallel": None}
    with pytest.raises(ConfigError, match=r"trainer.devices=3, but 2 GPUs"):
        slots_for([run_config(3)], slots=None, **usual)
    with pytest.raises(ConfigError, match=r"hydra.launcher.slots .* got 0"):
        slots_for([run_config()], slots=0, **usual)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert visible_gpus() == []


def test_a_thread_count_that_is_set_stands(monkeypatch):
    slot = Slot(("2",), (0, 1, 2, 3))
    monkeypatch.setenv("OMP_NUM_THREADS", "9")
    assert slot.environment(2) == {"CUDA_VISIBLE_DEVICES": "2"}
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert slot.environment(2)["OMP_NUM_THREADS"] == "2"


def folders(tmp_path, count):
    return [queued(tmp_path / "results", f"seed={n}").folder for n in range(count)]


def test_jobs_share_slots_and_leave_each_other_alone(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    places = folders(tmp_path, 6)
    ends = ["raise", "die", "done", "done", "done", "done"]
    calls = [StandIn(f.path, seconds=0.3, end=e) for f, e in zip(places, ends, strict=True)]
    cores = sorted(os.sched_getaffinity(0))
    slots = [Slot(("0",), tuple(cores[:1])), Slot(("1",), tuple(cores[-1:]))]
    pool = Pool(slots, tmp_path / "results/runs/.submitit/x", sweep="x")
    assert pool.run(calls, ranks=[1] * 6, variables={}) == 0
    done = [json.loads(result_of(places[n].path)["where"]) for n in range(2, 6)]
    for record in done:
        number = int(record["CUDA_VISIBLE_DEVICES"])
        assert record["cores"] == [cores[0 if number == 0 else -1]]
        assert record["OMP_NUM_THREADS"] == "1"
    spans = {
        gpu: sorted(r["span"] for r in done if r["CUDA_VISIBLE_DEVICES"] == gpu) for gpu in "01"
    }
    for own in spans.values():
        assert all(a[1] <= b[0] for a, b in pairwise(own))
    assert status_of(places[0].path)["message"] == "ZeroDivisionError: by zero"
    assert "killed by signal 9" in status_of(places[1].path)["message"]
    said = capsys.readouterr().out
    assert "start 6 of 6 on GPU " in said
    assert "6 of 6 over: " in said
    assert "(eta " in said


_POOL = """
import sys
from pathlib import Path
from tests.sweeps.stand_in_job import StandIn
from vqx.sweeps.pool import Pool
from vqx.sweeps.slots import Slot
ENDS = sys.argv[1].split(",")
folders = [Path(word) for word in sys.argv[2:]]
pool = Pool([Slot((), (0,))] * 2, folders[0].parent / ".submitit", sweep="x")
calls = [StandIn(folder, 100.0, end) for folder, end in zip(folders, ENDS)]
sys.exit(pool.run(calls, ranks=[1] * len(calls), variables={}))
"""


def started(places, ends=("slow", "done", "done")):
    command = [sys.executable, "-c", _POOL, ",".join(ends), *(str(f.path) for f in places)]
    # A group of its own, as under a terminal: Ctrl-C there reaches the whole group.
    pool = subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_until(lambda: [status_of(f.path)["state"] for f in places[:2]] == ["running"] * 2)
    return pool


def wait_until(holds):
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def test_ctrl_c_lets_running_jobs_save_and_starts_no_more(tmp_path):
    places = folders(tmp_path, 3)
    pool = started(places)
    os.killpg(pool.pid, signal.SIGINT)
    said, _ = pool.communicate(timeout=30)
    assert pool.returncode == signal.SIGINT
    assert "2 running jobs save first" in said
    states = [status_of(folder.path)["state"] for folder in places]
    assert states == ["interrupted", "interrupted", "queued"]
    message = status_of(places[1].path)["message"]
    assert message == "stopped before its first step"  # by the pool's signal, not the terminal's


def test_jobs_that_do_not_listen_yet_have_not_failed(tmp_path):
    places = folders(tmp_path, 2)
    pool = started(places, ends=["deaf", "deaf"])
    os.killpg(pool.pid, signal.SIGTERM)
    pool.communicate(timeout=30)
    assert pool.returncode == signal.SIGTERM
    for folder in places:
        status = status_of(folder.path)
        assert status["state"] == "interrupted"
        assert status["message"] == "stopped with its sweep before it could save"


def test_jobs_of_a_killed_pool_end_and_save(tmp_path):
    places = folders(tmp_path, 3)
    pool = started(places)
    pool.kill()
    pool.wait()
    wait_until(lambda: [status_of(f.path)["state"] for f in places[:2]] == ["interrupted"] * 2)
    assert status_of(places[2].path)["state"] == "queued"
