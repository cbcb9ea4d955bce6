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
    with _locked(path, patient=False):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def is_queue_alive(runs: Path, host: str, pid: int) -> bool:
    """Whether the process that queued runs in `runs` still goes through them."""
    path = _queue(runs, host, pid)
    if (host, pid) == (socket.gethostname(), os.getpid()):
        return False  # they are our own
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    else:
        path.unlink(missing_ok=True)  # left behind by a killed sweep
        return False
    finally:
        os.close(descriptor)


def _queue(runs: Path, host: str, pid: int) -> Path:
    return runs / _QUEUE.format(host=host, pid=pid)


@contextmanager
def _locked(path: Path, *, patient: bool) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
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
            if not patient:
                raise
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
        if not told:
            print("another sweep is being planned here: waiting for it", file=sys.stderr)
            told = True
        time.sleep(_POLL_SECONDS)
