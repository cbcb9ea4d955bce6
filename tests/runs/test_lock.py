"""One process a run folder, whatever happens to that process."""

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

import pytest

from vqx.errors import RunLocked, VqxError
from vqx.runs.lock import RunLock, is_held

HOLD = r"""
import os, subprocess, sys, time
from pathlib import Path
from vqx.runs.lock import RunLock
with RunLock(Path(sys.argv[1])):
    if "fork" in sys.argv and os.fork() == 0:
        os.write(1, b"child %d\n" % os.getpid())
        time.sleep(60)
    if "spawn" in sys.argv:
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
        print("child", child.pid, flush=True)
    os.write(1, b"held\n")
    sys.stdin.read()
"""


def _hold(folder: Path, *options: str) -> tuple[subprocess.Popen[str], int | None]:
    """A process that holds the lock, and its child's id."""
    command = [sys.executable, "-c", HOLD, str(folder), *options]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    out: IO[str] = process.stdout  # type: ignore[assignment]
    lines = sorted(out.readline().split() for _ in range(2 if options else 1))
    return process, int(lines[0][1]) if options else None


def test_the_second_process_says_who_holds_it(tmp_path: Path) -> None:
    process, _ = _hold(tmp_path)
    assert is_held(tmp_path)
    with (
        pytest.raises(
            RunLocked,
            match=rf"run {tmp_path} is held by pid {process.pid} on host {socket.gethostname()} "
            r"since 20..-..-..T.*: wait for it or stop it",
        ),
        RunLock(tmp_path),
    ):
        pass
    process.communicate("")
    assert not is_held(tmp_path)
    with RunLock(tmp_path):
        assert is_held(tmp_path)
    assert (tmp_path / "lock").read_text() == ""


def test_free_after_kill_9(tmp_path: Path) -> None:
    process, _ = _hold(tmp_path)
    process.kill()
    process.communicate()
    assert not is_held(tmp_path)
    with RunLock(tmp_path):
        pass


@pytest.mark.parametrize("kind", ["fork", "spawn"])
def test_children_do_not_keep_it(tmp_path: Path, kind: str) -> None:
    process, child = _hold(tmp_path, kind)
    assert child is not None
    try:
        assert is_held(tmp_path)  # the child's handle is closed without releasing the parent's lock
        process.kill()
        process.wait()
        os.kill(child, 0)  # it lives
        assert not is_held(tmp_path)
    finally:
        os.kill(child, signal.SIGKILL)
        process.communicate()


def test_free_after_an_exception_inside(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inside"), RunLock(tmp_path):
        raise ValueError("inside")
    assert not is_held(tmp_path)


def test_probes_do_not_turn_a_taker_away(tmp_path: Path) -> None:
    with RunLock(tmp_path):
        pass
    stop = threading.Event()

    def probe() -> None:
        while not stop.is_set():
            is_held(tmp_path)

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        for _ in range(50):
            with RunLock(tmp_path):
                pass
    finally:
        stop.set()
        thread.join()


def test_a_long_probe_by_another_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    probe = os.open(tmp_path / "lock", os.O_RDONLY)
    fcntl.flock(probe, fcntl.LOCK_SH)
    threading.Timer(0.1, os.close, [probe]).start()
    with RunLock(tmp_path):
        pass


def test_probing_creates_nothing(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unsigned_lock_has_no_wrong_holder(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    other = os.open(tmp_path / "lock", os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(RunLocked, match="held by another process"), RunLock(tmp_path):
        pass
    os.close(other)


def test_a_file_system_without_locks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(VqxError, match=r"no file locks.*set results="), RunLock(tmp_path):
        pass


def test_two_starters_race_and_one_wins(tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom vqx.errors import RunLocked\n"
        "from vqx.runs.lock import RunLock\n"
        "time.sleep(max(0, float(sys.argv[2]) - time.time()))\n"
        "try:\n  with RunLock(Path(sys.argv[1])): time.sleep(1)\n  print('won')\n"
        "except RunLocked: print('lost')"
    )
    command = [sys.executable, "-c", program, str(tmp_path), str(time.time() + 0.5)]
    starters = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sorted(s.communicate()[0].strip() for s in starters) == ["lost", "lost", "won"]
