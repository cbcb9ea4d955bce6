"""One process a run folder: an advisory lock that the kernel drops, and a claim that hosts see."""

import errno
import fcntl
import os
import threading
import time
import weakref
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from vqx.errors import RunLocked, TakenOver, VqxError
from vqx.runs.files import remove_leftovers
from vqx.runs.ownership import Claim, Owner, claim, may_live, newest_claim, owner

# A report's probe holds the shared lock for microseconds: a taker must not mistake it for a run.
_PATIENCE_SECONDS, _PAUSE_SECONDS = 0.25, 0.05
# A job that Slurm started again may meet its former self while that is still ending.
_REQUEUE_SECONDS = 60.0
_TOUCH_SECONDS = 10.0
_SILENCE_SECONDS = 1.0


class RunLock:
    """Context manager that takes a run folder, or raises RunLocked naming the holder.

    Held by this process alone: children neither inherit it over exec nor keep it over fork, so it
    is free as soon as this process is gone, however it went; where locks do not reach other hosts,
    those wait for its claim to become stale. `claim` is what the holder's writes check.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None
        self._claim: Claim | None = None
        self._left = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def claim(self) -> Claim:
        """The right to write while the lock is held."""
        assert self._claim is not None
        return self._claim

    def __enter__(self) -> "RunLock":
        path = self._folder / "lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            self._take(descriptor)
            self._claim = claim(self._folder)
            # What a former owner was writing when it froze or lost the network must not appear.
            remove_leftovers(self._folder)
        except BaseException:
            if self._claim is not None:
                self._claim.release()
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        _close_after_fork(self)
        self._left.clear()
        self._thread = threading.Thread(target=self._touch, name="vqx-claim", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left.set()
        if self._thread is not None:
            self._thread.join()
        if self._descriptor is not None:
            self.claim.release()
        self.close()

    def close(self) -> None:
        """Close this process's handle; the lock ends with the last handle on it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _take(self, descriptor: int) -> None:
        patience = _PATIENCE_SECONDS
        if (holder := owner(self._folder)) is not None and Owner().is_requeued(holder):
            patience = _REQUEUE_SECONDS
        end = time.monotonic() + patience
        while not _try_lock(descriptor, fcntl.LOCK_EX, self._folder):
            if time.monotonic() > end:
                holder = owner(self._folder)
                raise RunLocked(
                    f"run {self._folder} is held by {holder or 'another process'}: wait for it or "
                    "stop it"
                )
            time.sleep(_PAUSE_SECONDS)

    def _touch(self) -> None:
        """Let other hosts see that this process lives, until it leaves or is taken over."""
        with suppress(TakenOver):
            while not self._left.wait(_TOUCH_SECONDS):
                with suppress(OSError):  # a file server that is away: tried again
                    self.claim.touch()


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


def _close_after_fork(lock: RunLock) -> None:
    """A forked child (a loader's worker) that outlives its parent must not keep the run locked."""
    reference = weakref.ref(lock)

    def close_in_child() -> None:
        held = reference()
        if held is not None:
            held.close()

    os.register_at_fork(after_in_child=close_in_child)


def outwait_silence(folder: Path) -> None:
    """Wait while the owner of run `folder`, on another host, may be dead; at most two minutes.

    Until it is heard of, has left, or its claim is stale; at once where its lock can be seen. For a
    job that nobody starts again: RunLock would leave a run to a process that is gone.
    """
    first = newest_claim(folder)
    while first is not None and not is_held(folder):
        last = newest_claim(folder)
        if last is None or (last.number, last.touched) != (first.number, first.touched):
            return
        if not may_live(folder, last):
            return
        time.sleep(_SILENCE_SECONDS)


def is_held(folder: Path) -> bool:
    """Whether a process holds the lock of run `folder`; neither waits nor disturbs the holder.

    It sees as far as the file system's locks reach. Raises VqxError on one without locks.
    """
    try:
        descriptor = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(descriptor, fcntl.LOCK_SH, folder)
    finally:
        os.close(descriptor)
