"""One process a run folder: an advisory lock that the kernel drops when its holder dies."""

import errno
import fcntl
import json
import os
import socket
import time
import weakref
from pathlib import Path
from types import TracebackType
from typing import Any

from vqx.errors import RunLocked, VqxError
from vqx.runs.files import space_for
from vqx.runs.status import now_iso

# A report's probe holds the shared lock for microseconds: a taker must not mistake it for a run.
_ATTEMPTS, _PAUSE_SECONDS = 5, 0.05


class RunLock:
    """Context manager that holds the lock of a run folder, or raises RunLocked naming the holder.

    Held by this process alone: children neither inherit it over exec nor keep it over fork, so it
    is free as soon as this process is gone, however it went.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    def __enter__(self) -> "RunLock":
        path = self._folder / "lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            self._take(descriptor)
            self._sign(descriptor, path)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        _close_after_fork(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)  # the next holder is not announced under our name
        self.close()

    def close(self) -> None:
        """Close this process's handle; the lock ends with the last handle on it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _take(self, descriptor: int) -> None:
        for attempt in range(_ATTEMPTS):
            if _try_lock(descriptor, fcntl.LOCK_EX, self._folder):
                return
            if attempt < _ATTEMPTS - 1:
                time.sleep(_PAUSE_SECONDS)
        raise RunLocked(
            f"run {self._folder} is held by {_holder(descriptor)}: wait for it or stop it"
        )

    def _sign(self, descriptor: int, path: Path) -> None:
        record = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": now_iso(),
            "job_id": os.environ.get("SLURM_JOB_ID"),
        }
        with space_for(path):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(record).encode(), 0)


def _try_lock(descriptor: int, kind: int, folder: Path) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise VqxError(
                f"the file system of {folder} has no file locks, so two processes could train one "
                "run: set results=FOLDER to one that has, or mount it with flock"
            ) from error
        raise
    return True


def _holder(descriptor: int) -> str:
    try:
        record: dict[str, Any] = json.loads(os.pread(descriptor, 4096, 0))
        job = f" (SLURM job {record['job_id']})" if record.get("job_id") else ""
        return f"pid {record['pid']} on host {record['host']}{job} since {record['started']}"
    except (ValueError, KeyError, TypeError):
        return "another process"  # it has not signed yet


def _close_after_fork(lock: RunLock) -> None:
    """A forked child (a loader's worker) that outlives its parent must not keep the run locked."""
    reference = weakref.ref(lock)

    def close_in_child() -> None:
        held = reference()
        if held is not None:
            held.close()

    os.register_at_fork(after_in_child=close_in_child)


def is_held(folder: Path) -> bool:
    """Whether a process holds the lock of run `folder`; neither waits nor disturbs the holder.

    Raises VqxError on a file system without locks.
    """
    try:
        descriptor = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(descriptor, fcntl.LOCK_SH, folder)
    finally:
        os.close(descriptor)
