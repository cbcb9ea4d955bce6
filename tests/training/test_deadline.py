"""A stop that takes too long is ended, whatever the main thread is stuck in."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vqx.errors import ConfigError
from vqx.training.deadline import stop_seconds

# `stuck` blocks without ever coming back to Python, as a collective of a lost rank does.
PROGRAM = """
import ctypes, os, signal, sys, time
from contextlib import ExitStack
from pathlib import Path
from vqx.runs.folder import RunFolder
from vqx.runs.status import Heartbeat, State
from vqx.training.signals import StopRequest

def requeue(number, frame):
    print("requeued after", number, flush=True)
    sys.exit(-1)

def stuck():
    mutex = ctypes.create_string_buffer(64)  # waited for again after every signal
    ctypes.CDLL(None).pthread_mutex_lock(mutex)
    ctypes.CDLL(None).pthread_mutex_lock(mutex)

def stay():
    if how == "slow":
        time.sleep(1.5)
        print("still there", flush=True)

how = sys.argv[2]
signal.signal(signal.SIGUSR2, requeue)
folder = RunFolder(Path(sys.argv[1]))
with ExitStack() as last, StopRequest() as stop, Heartbeat(folder, steps=9) as heartbeat:
    last.callback(stay)
    stop.when_overdue = lambda message: heartbeat.end(State.INTERRUPTED, message)
    worker = os.fork()
    if worker == 0:
        time.sleep(60)
    if how == "worker":  # the signals that end a loader's worker are its own
        time.sleep(0.1)
        os.kill(worker, signal.SIGTERM)
        time.sleep(1.5)
    print("ready", flush=True)
    if how == "stuck":
        stuck()
    end = time.monotonic() + 30
    while not stop.signal_number and time.monotonic() < end:
        time.sleep(0.01)
    heartbeat.end(State.INTERRUPTED, "saved")
    try:
        stop.call_previous()
    finally:
        print("left in time", flush=True)
"""


def ended(
    folder: Path, how: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str, float]:
    """Exit code, output and seconds of the program after a signal."""
    monkeypatch.setenv("VQX_STOP_SECONDS", "0.5")
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), how],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    began = time.monotonic()
    process.send_signal(number)
    code = process.wait(timeout=30)
    seconds = time.monotonic() - began
    os.killpg(process.pid, signal.SIGKILL)
    return code, process.stdout.read(), seconds


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGTERM])
def test_a_stuck_process_requeues_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    code, output, seconds = ended(tmp_path, "stuck", number, monkeypatch)
    assert code == 128 + number, output
    assert 0.4 < seconds < 10
    assert ("requeued after 12" in output) == (number == signal.SIGUSR2)
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["state"] == "interrupted"
    assert "the last checkpoint counts" in status["message"]


@pytest.mark.parametrize("how", ["worker", "slow"])
def test_one_that_leaves_in_time_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    code, output, _ = ended(tmp_path, how, signal.SIGUSR2, monkeypatch)
    assert code == 255  # the handler's own
    assert output.count("requeued after 12") == 1
    assert "left in time" in output
    assert ("still there" in output) == (how == "slow")
    assert json.loads((tmp_path / "status.json").read_text())["message"] == "saved"


@pytest.mark.parametrize("text", ["0", "-3", "soon", "nan"])
def test_a_bound_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("VQX_STOP_SECONDS", text)
    with pytest.raises(ConfigError, match=f"VQX_STOP_SECONDS must be .*'{text}'"):
        stop_seconds()
    monkeypatch.delenv("VQX_STOP_SECONDS")
    assert stop_seconds() is None
