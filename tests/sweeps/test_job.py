"""A job in a process of its own: what it runs, refuses, leaves alone, and how it ends."""

import json
import os
import pickle
import signal
import subprocess
import sys

import pytest
import yaml

from tests.commands import environment, result_of, status_of
from tests.runs.test_ownership import claimed
from tests.sweeps.fake_slurm import install
from tests.sweeps.planned_jobs import queued
from vqx.errors import Diverged, RunLocked, StartsInVain, SubmissionStale, VqxError
from vqx.runs.code import code_fingerprint, save_fingerprint
from vqx.runs.lock import RunLock
from vqx.runs.ownership import STALE_SECONDS
from vqx.runs.status import State, Status
from vqx.sweeps import ending
from vqx.sweeps import job as job_module
from vqx.sweeps.job import CODE_LISTS, RunJob
from vqx.sweeps.stale import Changes
from vqx.training.session import Session


@pytest.fixture
def job(tmp_path):
    return queued(tmp_path / "results", "seed=3")


def call_for(job, **changed):
    code = code_fingerprint(job.config)
    save_fingerprint(code, job.folder.path.parent / CODE_LISTS)
    return RunJob(job.folder.path, **{"code": code.digest, **changed})


@pytest.fixture
def trained(monkeypatch):
    """Instead of training: the configurations that would have been run."""
    ran = []
    monkeypatch.setattr(
        job_module, "run_or_go_on", lambda config, folder, *, overrides: ran.append(config) or 0
    )
    return ran


def rewrite(path, **changed):
    stored = yaml.safe_load(path.read_text())
    stored["trainer"].update(changed)
    path.write_text(yaml.safe_dump(stored))


def test_it_runs_what_is_stored_with_options_of_execution(job, trained):
    rewrite(job.folder.config, devices=2)  # no identity: not stale, and kept
    assert pickle.loads(pickle.dumps(call_for(job, stop_seconds=20.0)))() == "queued"
    assert trained[0]["trainer"]["devices"] == 2
    assert os.environ.pop("VQX_STOP_SECONDS") == "20.0"


def test_a_changed_configuration_is_refused_by_name(job, trained):
    rewrite(job.folder.config, steps=5)
    with pytest.raises(SubmissionStale, match=r"trainer.steps \(5 -> 6\)") as stale:
        call_for(job)()
    assert "retry=failed" in str(stale.value)
    assert trained == []
    status = status_of(job.folder.path)
    assert status["state"] == "failed"
    assert "trainer.steps (5 -> 6)" in status["message"]
    assert "SubmissionStale" in job.folder.error.read_text()
    job.folder.write_status(Status(state=State.INTERRUPTED, step=4, steps=5))
    with pytest.raises(SubmissionStale):
        call_for(job)()
    status = status_of(job.folder.path)
    assert (status["state"], status["step"], status["steps"]) == ("failed", 4, 5)
    assert call_for(job, snapshot=True)() == "failed"
    assert len(trained) == 1


def test_changed_code_is_refused_by_file_or_noted(job, trained, capsys):
    code = code_fingerprint(job.config)
    old = type(code)({**code.files, "vqx/training/loop.py": "0", "vqx/gone.py": "0"})
    save_fingerprint(old, job.folder.path.parent / CODE_LISTS)
    with pytest.raises(SubmissionStale, match=r"vqx/gone.py \(removed\); vqx/training/loop.py"):
        call_for(job, code=old.digest)()
    with pytest.raises(SubmissionStale, match=r"the code \(0123 -> "):
        call_for(job, code="0123")()
    job.folder.environment.write_text(json.dumps({"sessions": [{}]}))
    call_for(job, code=old.digest, stale="warn")()
    assert "vqx/training/loop.py: running what was submitted" in capsys.readouterr().out
    (session,) = json.loads(job.folder.environment.read_text())["sessions"]
    assert session["changed_since_submission"][1] == "vqx/training/loop.py"
    assert len(trained) == 1


def test_done_and_held_runs_are_left_alone(job, trained, capsys):
    rewrite(job.folder.config, steps=5)  # stale, but that is the holder's matter
    held = "from vqx.runs.lock import RunLock\nfrom pathlib import Path\nimport sys\n"
    held += f"with RunLock(Path({str(job.folder.path)!r})): print('held', flush=True); input()\n"
    holder = subprocess.Popen(
        [sys.executable, "-c", held], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    assert call_for(job)() == "running"
    holder.communicate("\n")
    assert (
        f"left alone: run {job.folder.path} is held by pid {holder.pid}" in capsys.readouterr().out
    )
    assert status_of(job.folder.path)["state"] == "queued"
    job.folder.write_result({"metrics": {}})
    assert call_for(job)() == "done"
    assert trained == []


def test_it_does_not_leave_a_run_to_an_owner_that_is_gone(job, trained, monkeypatch):
    """Of a node that was lost a minute ago: nobody would start the run again."""
    claimed(job.folder.path, age=STALE_SECONDS - 1.0)
    rewrite(job.folder.config, steps=5)
    with pytest.raises(SubmissionStale):  # which takes the lock to say so
        call_for(job)()
    assert call_for(job, snapshot=True)() == "failed"
    assert len(trained) == 1


def test_starts_that_bring_no_checkpoint_come_to_an_end(job, trained, monkeypatch):
    """Of one job of the scheduler's: a new checkpoint, or another job, may start as often again."""
    call = call_for(job, starts_in_vain=3)

    def starts(slurm_job):
        monkeypatch.setenv("SLURM_JOB_ID", slurm_job)
        trained.clear()
        call()
        return len(trained)

    assert [starts("7") for _ in range(3)] == [1, 1, 1]
    job.folder.checkpoints.mkdir()
    (job.folder.checkpoints / f"step-00000004-{0:016x}.pt").touch()
    assert [starts("7") for _ in range(3)] == [1, 1, 1]
    job.folder.write_status(Status(state=State.INTERRUPTED, step=5, steps=6))
    with pytest.raises(StartsInVain, match=r"starts in a row .* after step 4: 3, .*retry=failed"):
        starts("7")
    assert trained == []
    status = status_of(job.folder.path)
    assert (status["state"], status["step"]) == ("failed", 5)
    assert "after step 4: 3," in status["message"]
    assert "after step 4: 3," in job.folder.error.read_text()
    assert starts("8") == 1
    monkeypatch.setenv("SLURM_PROCID", "1")  # the first node's process counts, for all of them
    assert [call() for _ in range(4)] == ["failed"] * 4
    assert json.loads(job.folder.restarts.read_text()) == {"job": "8", "step": 4, "starts": 1}
    monkeypatch.delenv("SLURM_PROCID")
    job.folder.restarts.write_text("{")  # damaged: counted anew
    assert [starts("8") for _ in range(3)] == [1, 1, 1]


def test_a_run_that_is_done_by_now_is_not_refused(job, trained, monkeypatch):
    """It was finished by another process while this one was about to refuse it."""

    def found(*_, **__):
        job.folder.write_result({"metrics": {}})
        return Changes(keys=["trainer.steps (5 -> 6)"], files=[])

    monkeypatch.setattr(job_module, "changes", found)
    monkeypatch.setattr(job_module, "show_result", lambda folder: None)
    call_for(job)()
    assert status_of(job.folder.path)["state"] == "queued"
    assert not job.folder.error.exists()


def test_a_refusal_tells_the_other_nodes(job, trained, monkeypatch):
    for name, value in {"STEP_ID": "0", "NTASKS": "2", "JOB_ID": "7", "PROCID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    rewrite(job.folder.config, steps=5)
    with pytest.raises(SubmissionStale):
        call_for(job)()
    assert "trainer.steps (5 -> 6)" in Session.of(job.folder.path).failure()


def test_what_changed_is_not_noted_with_another_process_session(job, monkeypatch):
    def held(*_, **__):
        raise RunLocked("held")

    monkeypatch.setattr(job_module, "run_or_go_on", held)
    job.folder.environment.write_text(json.dumps({"sessions": [{}]}))
    rewrite(job.folder.config, steps=5)
    assert call_for(job, stale="warn")() == "running"
    assert json.loads(job.folder.environment.read_text()) == {"sessions": [{}]}


def test_a_diverged_run_is_a_result_and_a_failed_one_raises(job, monkeypatch):
    def ending_with(error):
        def run(*_, **__):
            raise error

        monkeypatch.setattr(job_module, "run_or_go_on", run)
        return call_for(job)

    assert ending_with(Diverged("NaN or infinite at step 3"))() == "diverged"
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ZeroDivisionError):
        ending_with(ZeroDivisionError("by zero"))()
    assert signal.getsignal(signal.SIGTERM) is before
    assert status_of(job.folder.path)["message"] == "ZeroDivisionError: by zero"
    assert "ZeroDivisionError: by zero" in job.folder.error.read_text()


@pytest.mark.slow
def test_the_same_job_twice_at_once_trains_once(job):
    """What a submission that was lost and repeated gives."""
    program = f"import pickle; print(pickle.loads({pickle.dumps(call_for(job))!r})())"
    start = [sys.executable, "-c", program]
    both = [
        subprocess.Popen(start, env=environment(), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = sorted(one.communicate(timeout=200)[0].splitlines()[-1] for one in both)
    assert [one.returncode for one in both] == [0, 0]
    assert said in (["done", "running"], ["done", "done"])
    sessions = json.loads(job.folder.environment.read_text())["sessions"]
    assert len(sessions) == 1
    assert result_of(job.folder.path)["metrics"]["psnr"]


@pytest.fixture
def on_node(tmp_path, monkeypatch):
    """In a job's process on a node; the SIGTERM handler is put back."""
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    monkeypatch.setenv("SLURM_JOB_ID", "8")
    monkeypatch.setattr(ending, "_END_SECONDS", 0.0)
    before = signal.getsignal(signal.SIGTERM)
    yield install(tmp_path / "slurm", monkeypatch)
    signal.signal(signal.SIGTERM, before)


def test_a_requeue_that_slurm_was_too_busy_for_is_asked_for_again(job, on_node, monkeypatch):
    def submitits(number, frame):
        subprocess.check_call(["false"])

    monkeypatch.setattr(
        job_module, "run_or_go_on", lambda *_, **__: signal.raise_signal(signal.SIGUSR2)
    )
    before = signal.signal(signal.SIGUSR2, submitits)
    try:
        with pytest.raises(SystemExit):
            call_for(job)()
        assert signal.getsignal(signal.SIGUSR2) is submitits
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert on_node.calls == ["scontrol requeue 8"]


def test_another_nodes_process_leaves_alone_what_is_anothers(job, on_node, monkeypatch):
    def run(*_, **__):
        raise VqxError("another process of this run failed before all had joined")

    monkeypatch.setattr(job_module, "run_or_go_on", run)
    monkeypatch.setenv("SLURM_PROCID", "1")
    with RunLock(job.folder.path):  # of this job
        with pytest.raises(VqxError):
            call_for(job)()
        monkeypatch.setenv("SLURM_JOB_ID", "9")
        assert call_for(job)() == "running"
    assert status_of(job.folder.path)["state"] == "queued"
    assert not job.folder.error.exists()
