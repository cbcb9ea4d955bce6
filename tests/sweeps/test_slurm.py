"""What Slurm is asked and how its answers are read; the commands are stand-ins."""

import pytest

from tests.sweeps.fake_slurm import install
from vqx.errors import SlurmUnreachable
from vqx.sweeps import slurm
from vqx.sweeps.slurm import SlurmJob, cancel_jobs, max_array_size, slurm_jobs


@pytest.fixture
def fake(tmp_path, monkeypatch):
    monkeypatch.setattr(slurm, "_PAUSE_SECONDS", 0.01)
    return install(tmp_path / "slurm", monkeypatch)


def test_tasks_of_arrays_are_told_apart(fake):
    fake.answer("squeue", "7_0|RUNNING|n1|None\n7_1|PENDING||Resources\n9|COMPLETED|n2|None\n")
    assert slurm_jobs(["7_0", "7_1", "9", "7_2"]) == {
        "7_0": SlurmJob("7_0", "RUNNING", "n1"),
        "7_1": SlurmJob("7_1", "PENDING", "", "Resources"),
        "9": SlurmJob("9", "COMPLETED", "n2"),
    }
    assert "-j 7,9" in fake.calls[0]


def test_accounting_knows_what_squeue_has_forgotten(fake):
    fake.answer("squeue", "7_0|RUNNING|n1|None\n")
    fake.answer(
        "sacct", "7_[2-3,5%2]|PENDING|None assigned\n7_1|CANCELLED by 0|n1\n7_1.0|FAILED|n1\n"
    )
    jobs = slurm_jobs([f"7_{i}" for i in range(6)])
    assert list(jobs) == ["7_0", "7_1", "7_2", "7_3", "7_5"]
    assert not jobs["7_1"].is_live
    assert jobs["7_5"].is_live


def test_no_accounting_and_no_job_is_no_error(fake):
    fake.fail("squeue", "slurm_load_jobs error: Invalid job id specified")
    fake.fail("sacct", "Slurm accounting storage is disabled")
    assert slurm_jobs(["7"]) == {}


def test_a_silent_controller_is_unreachable(fake, tmp_path, monkeypatch):
    fake.fail("squeue", "slurm_load_jobs error: Unable to contact slurm controller")
    with pytest.raises(SlurmUnreachable, match="Unable to contact slurm controller"):
        slurm_jobs(["7"])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlurmUnreachable, match="no squeue"):
        slurm_jobs(["7"])


def test_a_controller_that_hangs_is_not_waited_for_long(fake, monkeypatch):
    monkeypatch.setattr(slurm, "_SECONDS", 0.2)
    (fake.place / "bin" / "squeue").write_text("#!/bin/bash\nexec sleep 60\n")
    with pytest.raises(SlurmUnreachable, match="does not answer"):
        slurm_jobs(["7"])


def test_cancelling_tries_again_and_leaves_out_what_is_gone(fake):
    fake.fail("scancel", "scancel: error: Kill job error on job id 7: Invalid job id specified")
    cancel_jobs(["7"])
    assert len(fake.calls) == 1
    fake.fail("scancel", "scancel: error: Unable to contact slurm controller")
    with pytest.raises(SlurmUnreachable):
        cancel_jobs(["7"])
    assert len(fake.calls) == 5


def test_the_size_of_arrays_is_the_clusters(fake):
    fake.answer("scontrol", "MaxDBDMsgs = 1\nMaxArraySize            = 51\nMaxJobCount = 9\n")
    assert max_array_size() == 51


@pytest.mark.parametrize(
    ("state", "live"),
    [("PENDING", True), ("COMPLETING", True), ("CANCELLED by 5", False), ("RUNNING+", True)]
    + [(s, False) for s in ("COMPLETED", "FAILED", "NODE_FAIL", "TIMEOUT", "OUT_OF_MEMORY")],
)
def test_live_states(state, live):
    assert SlurmJob("1", state).is_live is live
