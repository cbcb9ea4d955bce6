"""Locks between sweeps: one plans at a time, and what it queued is its own while it lives.

Advisory locks of the kernel (flock), dropped when their holder dies, however it went.
"""

import errno
import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vqx.errors import VqxError

# Both in RESULTS/runs, where names with a dot are no runs.
_PLANNING = ".planning"
_QUEUE = ".queue-{host}-{pid}"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_POLL_SECONDS = 0.05


@contextmanager
def planning_lock(results: Path) -> Iterator[None]:
    """Hold `results` while planning and submitting; waits for another sweep that does.

    On a file system without locks it says so and goes on.
    """
    with _locked(results / "runs" / _PLANNING, patient=True):
        yield


@contextmanager
def queue_lock(results: Path) -> Iterator[None]:
    """While held, runs that this process queued in `results` are left alone by other sweeps."""
    path = _queue(results / "runs", socket.gethostname(), os.getpid())
    _sweep_up(path.parent)
    with _locked(path, patient=False):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def is_queue_alive(runs: Path, host: str, pid: int) -> bool:
    """Whether the process that queued runs in `runs` still goes through them; changes nothing."""
    path = _queue(runs, host, pid)
    if (host, pid) == (socket.gethostname(), os.getpid()):
        return False  # they are our own
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        # Shared: two that ask at once must not take each other for the owner.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    else:
        return False
    finally:
        os.close(descriptor)


def _sweep_up(runs: Path) -> None:
    """Remove what killed sweeps of this machine left: elsewhere their locks may not be seen."""
    host = socket.gethostname()
    for path in runs.glob(_QUEUE.format(host=host, pid="*")):
        pid = path.name.rpartition("-")[2]
        gone = pid.isdigit() and not Path("/proc", pid).exists() and Path("/proc/self").exists()
        if gone and not is_queue_alive(runs, host, int(pid)):
            path.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder and those above it. Raises VqxError when that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_writable(path, error) from error


def _not_writable(path: Path, error: OSError) -> VqxError:
    return VqxError(f"cannot write in {path} ({error.strerror}): give another place by results=DIR")


def _queue(runs: Path, host: str, pid: int) -> Path:
    return runs / _QUEUE.format(host=host, pid=pid)


@contextmanager
def _locked(path: Path, *, patient: bool) -> Iterator[None]:
    make_folder(path.parent)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise _not_writable(path.parent, error) from error
    try:
        _take(descriptor, path, patient=patient)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path, *, patient: bool) -> None:
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            if patient:  # of the two locks of a sweep, the one that comes first says it
                print(
                    f"vqx: the file system of {path.parent} has no file locks: start no other "
                    "sweep while this one plans",
                    file=sys.stderr,
                )
            return
        if not told and patient:  # nobody has our own queue's for longer than a look
            print("another sweep is being planned here: waiting for it", file=sys.stderr)
            told = True
        time.sleep(_POLL_SECONDS)
