"""Two sweeps at once: one plans at a time, and what a living one queued is its own."""

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from tests.sweeps.made_up import plan
from vqx.errors import VqxError
from vqx.sweeps.locking import planning_lock, queue_lock
from vqx.sweeps.planned import Action
from vqx.sweeps.planning import queue_runs

# Plans one run as a sweep does, then says so and goes on as if it trained others before it.
SWEEP = """
import sys, time
from pathlib import Path
from tests.sweeps.made_up import plan
from vqx.sweeps.locking import planning_lock, queue_lock
from vqx.sweeps.planning import queue_runs
results = Path(sys.argv[1])
with queue_lock(results):
    with planning_lock(results):
        jobs = plan(results, "seed=0", "seed=1")
        time.sleep(float(sys.argv[2]))
        queue_runs(jobs)
    print(" ".join(job.action for job in jobs), flush=True)
    time.sleep(60)
"""


def sweep(results, pause=0.0):
    command = [sys.executable, "-c", SWEEP, str(results), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_of_two_sweeps_at_once_each_run_is_planned_by_one(tmp_path):
    both = [sweep(tmp_path, 0.3), sweep(tmp_path, 0.3)]
    try:
        assert sorted(p.stdout.readline().split() for p in both) == [
            ["run", "run"],
            ["waiting", "waiting"],
        ]
    finally:
        for process in both:
            process.kill()
            process.communicate()


def test_what_a_killed_sweep_queued_is_free_at_once(tmp_path):
    process = sweep(tmp_path)
    assert process.stdout.readline().split() == ["run", "run"]
    job = plan(tmp_path, "seed=0")[0]
    assert (job.action, job.note.split(" on ")[0]) == (
        Action.WAITING,
        f"in the sweep of pid {process.pid}",
    )
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    (left,) = (tmp_path / "runs").glob(".queue-*")
    with left.open() as other:  # another plan or table that asks at this moment
        fcntl.flock(other, fcntl.LOCK_SH)
        assert plan(tmp_path, "seed=0")[0].action is Action.RUN
    assert left.exists()  # who only looks removes nothing
    with queue_lock(tmp_path):
        assert not left.exists()


def test_a_look_at_a_queue_does_not_stop_its_owner(tmp_path):
    path = tmp_path / "runs" / f".queue-{socket.gethostname()}-{os.getpid()}"
    path.parent.mkdir()
    with path.open("w") as look:
        fcntl.flock(look, fcntl.LOCK_SH)
        threading.Timer(0.2, fcntl.flock, (look, fcntl.LOCK_UN)).start()
        with queue_lock(tmp_path):
            pass


@pytest.mark.parametrize("lock", [planning_lock, queue_lock])
def test_results_that_cannot_be_written_are_named(tmp_path, lock):
    (tmp_path / "file").write_text("")
    said = r"cannot write in .*file/runs \(Not a directory\)"
    with pytest.raises(VqxError, match=said), lock(tmp_path / "file"):
        pass
    assert plan(tmp_path / "file", "seed=0")[0].action is Action.RUN


def test_the_lock_says_that_it_waits(tmp_path, capfd):
    process = sweep(tmp_path, 0.5)
    while not (tmp_path / "runs" / ".planning").exists():
        time.sleep(0.01)
    time.sleep(0.1)
    with planning_lock(tmp_path):
        process.kill()
    process.communicate()
    assert "another sweep is being planned here: waiting for it" in capfd.readouterr().err


def test_ones_own_queue_is_no_reason_to_wait(tmp_path):
    with queue_lock(tmp_path):
        queue_runs(plan(tmp_path, "seed=0"))
        assert plan(tmp_path, "seed=0")[0].action is Action.RUN
    assert [p.name for p in (tmp_path / "runs").glob(".queue-*")] == []


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_file_locks_it_says_so_once_and_goes_on(tmp_path, capfd, monkeypatch, code):
    def flock(descriptor, operation):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    with planning_lock(tmp_path), queue_lock(tmp_path):
        queue_runs(plan(tmp_path, "seed=0"))
    assert capfd.readouterr().err.count("has no file locks") == 1
