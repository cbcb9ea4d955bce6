"""One preparation a folder at a time: an advisory lock that the kernel drops with its holder."""

import errno
import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from vqx.errors import DataError

LOCK = "preparation.lock"
# A killed holder's workers have the lock's descriptor until the kernel has ended them.
_PATIENCE_SECONDS, _PAUSE_SECONDS = 1.0, 0.05


class FolderLock:
    """Context manager that takes `folder`, or raises DataError; leaves no file behind.

    With `wait` it waits for the holder instead, however long.
    """

    def __init__(self, folder: Path, *, wait: bool = False) -> None:
        self._path = folder / LOCK
        self._wait = wait
        self._descriptor = -1

    def __enter__(self) -> "FolderLock":
        end = time.monotonic() + _PATIENCE_SECONDS
        while not self._try():
            if not self._wait and time.monotonic() > end:
                raise DataError(
                    f"another process prepares {self._path.parent}: wait for it, or stop it"
                )
            time.sleep(_PAUSE_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _try(self) -> bool:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), self._path.stat()):
                self._descriptor = descriptor
                return True
        except (BlockingIOError, FileNotFoundError):  # held, or removed by its last holder
            pass
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise DataError(
                    f"the file system of {self._path.parent} has no file locks: choose a folder on "
                    "another, or mount it with flock"
                ) from error
            raise
        os.close(descriptor)
        return False
