"""What a stop signal means once a rank has failed: Slurm ends the others by the same signal."""

import os
import signal
import sys

import pytest

from vqx.errors import Interrupted, VqxError
from vqx.runs.folder import RunFolder
from vqx.runs.status import State, Status, state_after
from vqx.training import launch
from vqx.training.placement import Rank
from vqx.training.session import Session
from vqx.training.signals import StopRequest


def test_a_handler_that_requeues_and_exits_leaves_the_run_interrupted(monkeypatch, tmp_path):
    folder = RunFolder(tmp_path)
    interrupted_rank(monkeypatch, folder)
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(-1))
    try:
        with StopRequest() as stop, pytest.raises(SystemExit), launch._accounted(folder):
            launch._run({}, folder, Rank(), stop, None)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert folder.read_status().state is State.INTERRUPTED


@pytest.fixture
def requeues():
    """How often the handler was called that would requeue the job."""
    calls = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: calls.append(number))
    yield calls
    signal.signal(signal.SIGTERM, before)


def interrupted_rank(monkeypatch, folder):
    """A rank that saves and leaves at SIGTERM."""

    def train_rank(config, _, place, stop):
        os.kill(os.getpid(), signal.SIGTERM)
        folder.write_status(Status(state=State.INTERRUPTED))
        raise Interrupted("stopped, state saved", signal_number=signal.SIGTERM)

    monkeypatch.setattr("vqx.training.rank.train_rank", train_rank)


@pytest.mark.parametrize("failed", [False, True])
def test_a_step_that_ends_because_a_rank_failed_is_no_preemption(
    monkeypatch, tmp_path, requeues, failed
):
    folder, session = RunFolder(tmp_path), Session(tmp_path, "1.0-0")
    interrupted_rank(monkeypatch, folder)
    if failed:
        session.fail("rank 3: RuntimeError: planted")
    kind = VqxError if failed else Interrupted
    with StopRequest() as stop, pytest.raises(kind) as raised, launch._accounted(folder):
        launch._run({}, folder, Rank(), stop, session)
    assert requeues == ([] if failed else [signal.SIGTERM])
    assert folder.read_status().state is state_after(raised.value)
    assert ("planted" in str(raised.value)) == failed
    assert isinstance(raised.value, Interrupted) != failed
