"""How a job's process ends after a signal: what is asked of Slurm, and how long it stays."""

import signal
import subprocess
from types import SimpleNamespace

import pytest

from tests.sweeps.fake_slurm import install
from vqx.errors import Interrupted
from vqx.sweeps import ending, slurm
from vqx.sweeps.ending import end_interrupted, on_sigterm, patient


@pytest.fixture
def on_node(tmp_path, monkeypatch):
    """In a job's process on a node; the SIGTERM handler is put back."""
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    monkeypatch.setenv("SLURM_JOB_ID", "8")
    monkeypatch.setattr(ending, "_END_SECONDS", 0.0)
    monkeypatch.setattr(slurm, "_PAUSE_SECONDS", 0.0)
    before = signal.getsignal(signal.SIGTERM)
    yield install(tmp_path / "slurm", monkeypatch)
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("state", "node", "requeued"),
    [
        ("RUNNING", 0, True),
        ("CANCELLED", 0, False),
        ("COMPLETING", 0, False),
        ("RUNNING", 1, False),
    ],
)
def test_sigterm_requeues_once_what_is_still_wanted(on_node, monkeypatch, state, node, requeued):
    monkeypatch.setenv("SLURM_PROCID", str(node))
    on_node.answer("scontrol", f"JobId=8 JobName=x JobState={state} Reason=None\n")
    on_sigterm(signal.SIGTERM, None)  # as training calls it, once the run is saved
    assert ("scontrol requeue 8" in on_node.calls) is requeued


def test_the_users_signal_requeues_nothing(on_node):
    with pytest.raises(SystemExit) as end:
        end_interrupted(signal.SIGINT)
    assert end.value.code == 130
    assert on_node.calls == []


def test_other_nodes_wait_for_slurm_to_end_them(on_node, monkeypatch):
    waited = []
    monkeypatch.setattr(ending, "time", SimpleNamespace(sleep=waited.append))
    monkeypatch.setenv("SLURM_PROCID", "1")
    with pytest.raises(SystemExit):
        end_interrupted(signal.SIGUSR2)
    assert waited == [0.0]
    monkeypatch.setenv("SLURM_PROCID", "0")
    with pytest.raises(SystemExit):
        end_interrupted(signal.SIGUSR2)
    assert len(waited) == 1


def shows(state):
    return f"JobId=8 JobName=x JobState={state} Reason=None\n"


@pytest.mark.parametrize(("state", "requeued"), [("RUNNING", True), ("COMPLETING", False)])
def test_a_job_stopped_before_it_trains_goes_back_at_once(on_node, monkeypatch, state, requeued):
    waited = []
    monkeypatch.setattr(ending, "time", SimpleNamespace(sleep=waited.append))
    on_node.answer("scontrol", shows(state))
    signal.signal(signal.SIGTERM, on_sigterm)
    with pytest.raises(Interrupted) as stopped:
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        end_interrupted(stopped.value.signal_number)
    assert end.value.code == 143
    assert ("scontrol requeue 8" in on_node.calls) is requeued
    assert waited == []  # a cancelled job is over as soon as it has saved


def test_without_an_answer_it_leaves_the_end_to_slurm(on_node, monkeypatch):
    waited = []
    monkeypatch.setattr(ending, "time", SimpleNamespace(sleep=waited.append))
    on_node.fail("scontrol", "slurm_load_jobs error: Unable to contact slurm controller")
    with pytest.raises(SystemExit):
        end_interrupted(signal.SIGTERM)
    assert waited == [ending._END_SECONDS]


def test_a_requeue_that_failed_is_asked_for_again(on_node, monkeypatch):
    def submitits(number, frame):
        subprocess.check_call(["false"])

    with pytest.raises(SystemExit):
        patient(submitits)(signal.SIGUSR2, None)
    assert on_node.calls == ["scontrol requeue 8"]
    on_node.fail("scontrol", "Unable to contact slurm controller")
    with pytest.raises(SystemExit):  # as interrupted: the same command goes on
        patient(submitits)(signal.SIGUSR2, None)
    assert on_node.calls.count("scontrol requeue 8") == 5
    assert patient(signal.SIG_DFL) is signal.SIG_DFL
