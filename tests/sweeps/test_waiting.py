"""When jobs are over, and what folders say whose jobs ended without a word."""

import pytest

from tests.commands import status_of
from tests.sweeps.planned_jobs import queued
from vqx.errors import SlurmUnreachable
from vqx.runs.status import State, Status
from vqx.sweeps import waiting
from vqx.sweeps.slurm import SlurmJob
from vqx.sweeps.waiting import Submitted, print_failures, wait_for


def submitted(tmp_path, number=0):
    job = queued(tmp_path / "results", f"seed={number}")
    return Submitted(job.folder, f"7_{number}", tmp_path / f"{number}.log")


def answers(monkeypatch, *each):
    """Slurm's answers, the last one again and again; a dictionary of states, or an error."""
    left = list(each)

    def asked(job_ids):
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return {id_: SlurmJob(id_, *answer[id_].split("|")) for id_ in job_ids if id_ in answer}

    monkeypatch.setattr(waiting, "slurm_jobs", asked)
    monkeypatch.setattr(waiting, "_FIRST_SECONDS", 0.01)
    return left


def test_a_requeued_job_is_waited_for_and_a_silent_slurm_asked_again(tmp_path, monkeypatch, capsys):
    one = submitted(tmp_path)
    one.folder.write_status(Status(state=State.INTERRUPTED, message="stopped by signal 12"))
    left = answers(
        monkeypatch,
        {"7_0": "RUNNING"},
        SlurmUnreachable("squeue: Unable to contact slurm controller"),
        {},  # a controller that has just been restarted
        {"7_0": "PENDING||BeginTime"},
        {"7_0": "COMPLETED"},
    )
    assert wait_for([one])["7_0"].state == "COMPLETED"
    assert len(left) == 1
    assert "Unable to contact" in capsys.readouterr().out
    assert status_of(one.folder.path)["message"] == "stopped by signal 12"


def test_a_job_that_only_its_user_can_release_is_named_once(tmp_path, monkeypatch, capsys):
    """What Slurm does with a job that it could not launch on its node."""
    one = submitted(tmp_path)
    held = {"7_0": "PENDING||launch failed requeued held"}
    answers(monkeypatch, held, held, held, {"7_0": "COMPLETED"})
    wait_for([one])
    assert capsys.readouterr().out.count("scontrol release lets it go on") == 1


@pytest.mark.parametrize(
    ("word", "state", "said"),
    [
        ("CANCELLED by 0", "interrupted", "job 7_0 was cancelled"),
        ("NODE_FAIL", "interrupted", "lost its node"),
        ("TIMEOUT", "interrupted", "before it could save"),
        ("OUT_OF_MEMORY", "failed", "hydra.launcher.mem_gb"),
        ("FAILED", "failed", "0.log"),
        (None, "failed", "Slurm says gone"),
    ],
)
def test_a_job_that_ended_without_a_word_is_given_one(tmp_path, monkeypatch, word, state, said):
    one = submitted(tmp_path)
    answers(monkeypatch, {} if word is None else {"7_0": word})
    wait_for([one])
    status = status_of(one.folder.path)
    assert status["state"] == state
    assert said in status["message"]


def test_what_it_said_while_it_ran_is_no_last_word(tmp_path, monkeypatch):
    one = submitted(tmp_path)
    one.folder.write_status(Status(state=State.RUNNING, message="starting", step=3))
    answers(monkeypatch, {"7_0": "OUT_OF_MEMORY"})
    wait_for([one])
    status = status_of(one.folder.path)
    assert (status["state"], status["step"]) == ("failed", 3)
    assert "ran out of memory" in status["message"]


def test_what_a_run_said_itself_stands(tmp_path, monkeypatch):
    one, done = submitted(tmp_path), submitted(tmp_path, 1)
    one.folder.write_status(Status(state=State.FAILED, message="FSQ levels"))
    done.folder.write_result({"metrics": {}})
    answers(monkeypatch, {"7_0": "FAILED", "7_1": "NODE_FAIL"})
    wait_for([one, done])
    assert status_of(one.folder.path)["message"] == "FSQ levels"
    assert status_of(done.folder.path)["state"] == "queued"


def test_failures_are_named_with_folder_log_and_slurms_word(tmp_path, capsys):
    one, done = submitted(tmp_path), submitted(tmp_path, 1)
    one.folder.write_status(Status(state=State.FAILED, message="FSQ levels"))
    done.folder.write_result({"metrics": {}})
    print_failures([one, done], {"7_0": SlurmJob("7_0", "FAILED", "n1"), "7_1": None})
    said = capsys.readouterr().out
    assert f"failed: {one.folder.path}: FSQ levels" in said
    assert f"job 7_0 (FAILED on n1), log {one.log}" in said
    assert str(done.folder.path) not in said
