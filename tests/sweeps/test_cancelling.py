"""Cancelling: waiting jobs at once, running ones after they saved, processes of this machine."""

import subprocess
import sys

import pytest

from tests.commands import status_of
from tests.sweeps.planned_jobs import queued
from vqx.errors import VqxError
from vqx.runs.status import State, Status
from vqx.sweeps import cancelling
from vqx.sweeps.cancelling import cancel
from vqx.sweeps.slurm import SlurmJob
from vqx.sweeps.submission import Submission, write_submission


@pytest.fixture
def cluster(monkeypatch):
    """States by job id, and what was sent; a running job saves when it gets the user's signal."""
    states, sent = {}, []

    def send(job_ids, *, signal_name=None):
        for job_id in job_ids:
            sent.append((job_id, signal_name))
            if signal_name is None and states[job_id] != "STUCK":
                states[job_id] = "CANCELLED"
            if signal_name == "INT":
                states[job_id] = "FAILED"

    monkeypatch.setattr(cancelling, "cancel_jobs", send)
    monkeypatch.setattr(
        cancelling,
        "slurm_jobs",
        lambda ids: {
            i: SlurmJob(i, {"STUCK": "PENDING"}.get(states[i], states[i]))
            for i in ids
            if i in states
        },
    )
    monkeypatch.setattr(cancelling, "_END_SECONDS", 0.1)
    monkeypatch.setattr(cancelling, "_POLL_SECONDS", 0.01)
    return states, sent


def submitted(tmp_path, number):
    job = queued(tmp_path / "results", f"seed={number}")
    write_submission(
        job.folder,
        Submission(launcher="slurm", job_id=f"7_{number}", log="log", sweep="x", code="0"),
    )
    return job


def test_waiting_jobs_are_cancelled_and_running_ones_save_first(tmp_path, cluster, capsys):
    states, sent = cluster
    jobs = [submitted(tmp_path, number) for number in range(3)]
    states.update({"7_0": "RUNNING", "7_1": "PENDING", "7_2": "COMPLETED"})
    jobs[0].folder.write_status(Status(state=State.INTERRUPTED, message="state saved at step 4"))
    cancel(jobs)
    assert sent == [("7_1", None), ("7_0", "INT")]
    said = [status_of(job.folder.path)["message"] for job in jobs]
    assert said == ["state saved at step 4", "cancelled before it started", ""]
    assert "cancelled 2 of 3 jobs" in capsys.readouterr().out


def test_a_job_that_does_not_end_is_named(tmp_path, cluster):
    states, _ = cluster
    job = submitted(tmp_path, 0)
    states["7_0"] = "STUCK"
    with pytest.raises(VqxError, match="did not end 7_0: try `scancel 7_0`"):
        cancel([job])


_HOLDER = """
import signal, sys
from pathlib import Path
from vqx.runs.lock import RunLock
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
with RunLock(Path(sys.argv[1])):
    print("held", flush=True)
    signal.pause()
"""


def test_a_process_of_this_machine_is_told_to_stop(tmp_path, cluster, capsys):
    job, free = (queued(tmp_path / "results", f"seed={number}") for number in range(2))
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(job.folder.path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    cancel([job, free])
    assert holder.wait(timeout=10) == 143
    assert "cancelled 1 of 2 jobs" in capsys.readouterr().out
