"""What is done about each job of a sweep, and what its folder says before it starts."""

import json
import os

import pytest
import yaml

from tests.sweeps.made_up import folder, plan
from vqx.errors import SlurmUnreachable
from vqx.runs.lock import RunLock
from vqx.runs.status import State
from vqx.sweeps import classification
from vqx.sweeps.planned import Action
from vqx.sweeps.planning import queue_runs
from vqx.sweeps.slurm import SlurmJob
from vqx.sweeps.submission import Submission, write_submission


def actions(jobs):
    return [job.action for job in jobs]


def tree(path):
    return {p: p.stat().st_mtime_ns for p in path.rglob("*")}


def finished(results, job, state):
    made = folder(results, job, state, message="usage 1 %")
    made.write_result({"metrics": {}})
    return made


def test_every_state_has_its_action(tmp_path):
    finished(tmp_path, "seed=1", State.DONE)
    finished(tmp_path, "seed=2", State.COLLAPSED)
    folder(tmp_path, "seed=3", State.DIVERGED)
    folder(tmp_path, "seed=4", State.FAILED, message="no room")
    folder(tmp_path, "seed=5", State.INTERRUPTED)
    folder(tmp_path, "seed=6", State.QUEUED)
    folder(tmp_path, "seed=7").path.mkdir()
    before = tree(tmp_path)
    jobs = [*(f"seed={seed}" for seed in range(8)), "seed=0", "refused"]
    expected = [
        Action.RUN,
        Action.DONE,
        Action.COLLAPSED,
        Action.DIVERGED,
        Action.FAILED,
        Action.RUN,
        Action.RUN,
        Action.RUN,
        Action.DUPLICATE,
        Action.REFUSED,
    ]
    planned = plan(tmp_path, *jobs)
    assert actions(planned) == expected
    assert planned[4].note == "no room"
    assert planned[8].note == "the same run as job 1"
    assert planned[9].note == "nothing reads 'refused'"
    expected[4] = Action.RUN
    assert actions(plan(tmp_path, *jobs, retry="failed")) == expected
    assert tree(tmp_path) == before  # planning writes nothing


def test_a_run_that_a_process_has_begun_is_left_alone(tmp_path):
    made = folder(tmp_path, "seed=0", State.QUEUED)
    with RunLock(made.path):
        assert actions(plan(tmp_path, "seed=0")) == [Action.RUNNING]
    with RunLock(made.path):
        made.write_status(made.read_status().__class__(state=State.RUNNING))
        assert actions(plan(tmp_path, "seed=0")) == [Action.RUNNING]
    assert actions(plan(tmp_path, "seed=0")) == [Action.RUN]


@pytest.fixture
def slurm(monkeypatch):
    """What Slurm says: {job id: (state, reason)}, or None where it cannot be asked."""
    says, asked = {}, []

    def jobs(ids):
        asked.append(sorted(ids))
        if says.get("silent"):
            raise SlurmUnreachable("squeue is not here")
        return {i: SlurmJob(i, *says[i]) for i in ids if i in says}

    monkeypatch.setattr(classification, "slurm_jobs", jobs)
    return says, asked


def submit(results, job, state, job_id, *, ran_as=None):
    made = folder(results, job, state, job_id=ran_as)
    sent = Submission(launcher="slurm", job_id=job_id, log="log", sweep="s", code="c")
    write_submission(made, sent)
    return made


def test_slurm_is_asked_once_and_its_live_jobs_are_left_alone(tmp_path, slurm):
    says, asked = slurm
    says |= {"1_0": ("PENDING", "", "Priority"), "1_1": ("RUNNING", "n2"), "1_2": ("CANCELLED",)}
    says |= {"4": ("REQUEUED",), "5": ("PENDING",)}
    for seed, job_id in enumerate(["1_0", "1_1", "1_2", "1_3"]):
        submit(tmp_path, f"seed={seed}", State.QUEUED, job_id)
    submit(tmp_path, "seed=4", State.INTERRUPTED, "4", ran_as="4")
    submit(tmp_path, "seed=5", State.FAILED, "5", ran_as="5")  # its node failed: requeued
    planned = plan(tmp_path, *(f"seed={seed}" for seed in range(6)), retry="failed")
    waiting = [Action.WAITING, Action.RUNNING, Action.RUN, Action.RUN]
    assert actions(planned) == [*waiting, Action.WAITING, Action.WAITING]
    assert planned[0].note == "job 1_0 pending (Priority)"
    assert planned[1].note == "job 1_1 running on n2"
    assert asked == [["1_0", "1_1", "1_2", "1_3", "4", "5"]]


def test_a_job_killed_for_memory_has_failed(tmp_path, slurm):
    says, _ = slurm
    says |= {"1": ("OUT_OF_MEMORY",), "2": ("NODE_FAIL",)}
    for seed in range(2):  # killed without a word: the status still says running
        submit(tmp_path, f"seed={seed}", State.RUNNING, str(seed + 1), ran_as=str(seed + 1))
    planned = plan(tmp_path, "seed=0", "seed=1")
    assert actions(planned) == [Action.FAILED, Action.RUN]
    assert "hydra.launcher.mem_gb" in planned[0].note
    assert actions(plan(tmp_path, "seed=0", retry="failed")) == [Action.RUN]


def test_where_slurm_cannot_be_asked_what_was_submitted_to_it_waits(tmp_path, slurm, monkeypatch):
    says, _ = slurm
    says["silent"] = True
    submit(tmp_path, "seed=0", State.QUEUED, "1")
    submit(tmp_path, "seed=1", State.INTERRUPTED, "2", ran_as="2")
    submit(tmp_path, "seed=2", State.INTERRUPTED, "3")  # run here since
    submit(tmp_path, "seed=3", State.FAILED, "4", ran_as="4")
    folder(tmp_path, "seed=4", State.QUEUED)
    folder(tmp_path, "seed=5", State.QUEUED, pid=1)
    monkeypatch.setattr(classification, "is_queue_alive", lambda runs, host, pid: pid == 1)
    planned = plan(tmp_path, *(f"seed={seed}" for seed in range(6)))
    assert actions(planned) == [
        Action.WAITING,
        Action.WAITING,
        Action.RUN,
        Action.FAILED,
        Action.RUN,
        Action.WAITING,  # for another sweep of this machine, whatever Slurm would say
    ]
    assert [job.slurm_is_silent for job in planned] == [True, True, False, False, False, False]


def test_without_submissions_slurm_is_not_asked(tmp_path, slurm):
    _, asked = slurm
    folder(tmp_path, "seed=0", State.QUEUED)
    plan(tmp_path, "seed=0", "seed=1")
    assert asked == []


def test_a_queued_run_says_what_it_is(tmp_path):
    queue_runs(plan(tmp_path, "seed=0", "seed=1", "seed=0", "refused"))
    assert len(list((tmp_path / "runs").iterdir())) == 2
    for job in plan(tmp_path, "seed=0", "seed=1"):
        assert yaml.safe_load(job.folder.config.read_text()) == job.config
        assert yaml.safe_load(job.folder.overrides.read_text()) == list(job.overrides)
        assert job.folder.read_status().state is State.QUEUED


def test_queueing_keeps_what_an_interrupted_run_has(tmp_path):
    made = folder(tmp_path, "seed=0", State.INTERRUPTED, step=40, steps=100)
    made.checkpoints.mkdir()
    (made.checkpoints / "40").write_text("weights")
    made.metrics.write_text('{"step": 40}\n')
    made.write_error("Traceback\nOSError: no room\n")
    queue_runs(plan(tmp_path, "seed=0"))
    status = made.read_status()
    assert (status.state, status.step, status.steps) == (State.QUEUED, 40, 100)
    assert (made.checkpoints / "40").read_text() == "weights"
    assert json.loads(made.metrics.read_text()) == {"step": 40}
    assert not made.error.exists()


def test_queueing_forgets_a_submission_that_is_over(tmp_path, slurm):
    made = submit(tmp_path, "seed=0", State.QUEUED, "7")
    queue_runs(plan(tmp_path, "seed=0"))
    assert not made.submission.exists()


def test_queueing_leaves_a_run_alone_that_was_taken_or_done_meanwhile(tmp_path):
    jobs = plan(tmp_path, "seed=0", "seed=1")
    taken, done = (job.folder for job in jobs)
    finished(tmp_path, "seed=1", State.DONE)
    folder(tmp_path, "seed=0", State.RUNNING, pid=os.getpid())
    with RunLock(taken.path):
        queue_runs(jobs)
    assert taken.read_status().state is State.RUNNING
    assert done.read_status().state is State.DONE
