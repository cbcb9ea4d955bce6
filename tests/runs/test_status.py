"""States, and the heartbeat."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vqx.errors import Diverged, Interrupted, VqxError
from vqx.runs.folder import RunFolder
from vqx.runs.status import Heartbeat, State, Status


class Recorder:
    """A status file that counts its writes and can be full."""

    def __init__(self) -> None:
        self.written: list[Status] = []
        self.full = False

    def write_status(self, status: Status) -> None:
        if self.full:
            raise VqxError("disk full while writing status.json")
        self.written.append(status)


def _wait_for(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_beats_without_updates_and_stops_at_the_end(tmp_path: Path) -> None:
    file = Recorder()
    with Heartbeat(file, steps=10, interval=0.01) as heartbeat:
        assert file.written[0].state == State.RUNNING  # at once, not after the first interval
        _wait_for(lambda: len(file.written) > 3)
        heartbeat.end(State.COLLAPSED, "usage 0.1 %")
    beats = [status.heartbeat for status in file.written]
    assert beats == sorted(beats)
    assert len(set(beats)) == len(beats)
    assert (file.written[-1].state, file.written[-1].message) == (State.COLLAPSED, "usage 0.1 %")
    count = len(file.written)
    time.sleep(0.05)
    assert len(file.written) == count


def test_updates_cost_no_disk_access_and_arrive_with_the_next_beat() -> None:
    file = Recorder()
    with Heartbeat(file, steps=1000, interval=60) as heartbeat:
        for step in range(1000):
            heartbeat.update(step=step, eta_seconds=1000.0 - step)
        assert len(file.written) == 1
    assert len(file.written) == 2
    assert file.written[-1].step == 999
    assert file.written[-1].eta_seconds is None


def test_a_slow_disk_does_not_stop_the_training_loop() -> None:
    entered, release = threading.Event(), threading.Event()

    class Slow(Recorder):
        def write_status(self, status: Status) -> None:
            if self.written and status.state == State.RUNNING:
                entered.set()
                release.wait(5)
            super().write_status(status)

    with Heartbeat(Slow(), steps=10, interval=0.01) as heartbeat:
        assert entered.wait(5)
        started = time.monotonic()
        heartbeat.update(step=1)
        assert time.monotonic() - started < 1
        release.set()


def test_a_full_disk_in_the_thread_is_raised_by_the_next_update() -> None:
    file = Recorder()

    def train() -> None:
        with Heartbeat(file, steps=10, interval=0.01) as heartbeat:
            file.full = True
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                heartbeat.update(step=1)
                time.sleep(0.005)

    with pytest.raises(VqxError, match="disk full") as caught:
        train()
    # The final status cannot be written either, but must not hide the first error.
    assert any("final status" in note for note in caught.value.__notes__)


def test_a_full_disk_at_a_good_end_is_raised() -> None:
    file = Recorder()
    with pytest.raises(VqxError, match="disk full"), Heartbeat(file, steps=10, interval=60):
        file.full = True


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (ValueError("bad\nnews"), State.FAILED, "ValueError: bad"),
        (MemoryError(), State.FAILED, "MemoryError"),
        (SystemExit(3), State.FAILED, "SystemExit: 3"),
        (Diverged("loss is nan at step 7"), State.DIVERGED, "loss is nan at step 7"),
        (Interrupted("saved", signal_number=15), State.INTERRUPTED, "saved"),
        (KeyboardInterrupt(), State.INTERRUPTED, "KeyboardInterrupt"),
    ],
)
def test_what_an_exception_means(
    tmp_path: Path, error: BaseException, state: State, message: str
) -> None:
    folder = RunFolder(tmp_path)
    with pytest.raises(type(error)), Heartbeat(folder, steps=10):
        raise error
    status = folder.read_status()
    assert status is not None
    assert (status.state, status.message) == (state, message)


def test_leaving_without_an_error_is_done(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with Heartbeat(folder, steps=10, step=4) as heartbeat:
        heartbeat.update(step=10)
    status = folder.read_status()
    assert status is not None
    assert (status.state, status.step, status.steps) == (State.DONE, 10, 10)
