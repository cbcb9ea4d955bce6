"""An alarm clock that stop signals start, heard even while the main thread is stuck in a call."""

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress

from vqx.errors import ConfigError

VARIABLE = "VQX_STOP_SECONDS"


def stop_seconds() -> float | None:
    """How long a stopped process may take to save and leave; None: as long as it takes.

    Raises ConfigError for a variable that is no positive number.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return None
    with suppress(ValueError):
        if (seconds := float(text)) > 0:
            return seconds
    raise ConfigError(f"{VARIABLE} must be a positive number of seconds; got '{text}'")


class Deadline:
    """Calls `overdue` with a signal's number, from a thread, `seconds` after the first such signal.

    Python runs signal handlers on the main thread only, which may wait in a collective for ever;
    the interpreter's wake-up file is written to at once. Start it on the main thread.
    """

    def __init__(
        self, seconds: float, signals: Collection[int], overdue: Callable[[int], None]
    ) -> None:
        self._seconds, self._signals, self._overdue = seconds, frozenset(signals), overdue
        self._before = -1
        self._heard, self._wake = socket.socketpair()
        self._wake.setblocking(False)

    def start(self) -> None:
        """Listen from now on."""
        self._before = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        os.register_at_fork(after_in_child=self._forget)
        threading.Thread(target=self._listen, name="vqx-deadline", daemon=True).start()

    def cancel(self) -> None:
        """Listen no more: the process leaves in good order."""
        signal.set_wakeup_fd(self._before)
        self._wake.shutdown(socket.SHUT_RDWR)  # closing would do nothing while a worker has a copy
        self._wake.close()

    def _forget(self) -> None:
        """In a forked child, a loader's worker: the signals it gets are not its parent's."""
        with suppress(ValueError, OSError):
            if self._wake.fileno() >= 0:
                signal.set_wakeup_fd(-1)

    def _listen(self) -> None:
        number, end = 0, 0.0
        with self._heard:
            while True:
                left = max(0.0, end - time.monotonic()) if number else None
                if not select.select([self._heard], [], [], left)[0]:
                    break
                heard = self._heard.recv(64)
                if not heard:
                    return
                stops = [byte for byte in heard if byte in self._signals]
                if stops and not number:
                    number, end = stops[0], time.monotonic() + self._seconds
        self._overdue(number)
