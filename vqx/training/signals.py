"""Signals that ask a run to stop: it ends its step, saves, and leaves; the same command goes on.

SIGINT is Ctrl-C, SIGTERM a scheduler or `kill`, SIGUSR2 a scheduler's warning before the end.
"""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from vqx.training.deadline import Deadline, stop_seconds

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)
# What a process that is overdue still gets for its last words, and a launcher for requeueing it.
_WORDS_SECONDS, _HANDLER_SECONDS = 10.0, 60.0


class StopRequest:
    """Context manager that notes stop signals instead of dying of them.

    A second Ctrl-C raises KeyboardInterrupt at once. `call_previous` passes the signal on to the
    handler that was there before (a launcher's requeueing), once the state is saved. If the block
    has not ended VQX_STOP_SECONDS after the signal, a thread calls `when_overdue` and that handler,
    and ends the process with 128 + the signal's number.
    """

    def __init__(
        self,
        *,
        on_signal: Callable[[int], None] = lambda number: None,
        patient: bool = False,
    ) -> None:
        self.signal_number = 0
        self.when_overdue: Callable[[str], None] = lambda message: None
        self.on_signal = on_signal
        self._patient = patient  # a spawned rank: its parent decides when patience ends
        self._previous: dict[int, Any] = {}
        self._seconds = None if patient else stop_seconds()
        self._deadline: Deadline | None = None
        self._passed_on = threading.Lock()

    def __enter__(self) -> "StopRequest":
        for number in STOP_SIGNALS:
            self._previous[number] = signal.signal(number, self._note)
        if self._seconds is not None:
            self._deadline = Deadline(self._seconds, STOP_SIGNALS, self._end)
            self._deadline.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal_number and number == signal.SIGINT and not self._patient:
            raise KeyboardInterrupt
        self.signal_number = number
        self.on_signal(number)

    def call_previous(self, number: int = 0) -> None:
        """Call the Python handler that the noted signal had before this request, if it had one.

        `number` is for a process that was told of the signal by another rank. Once only: the
        handler may requeue the job.
        """
        number = self.signal_number or number
        handler = self._previous.get(number)
        if not callable(handler) or handler is signal.default_int_handler:
            return
        if self._passed_on.acquire(blocking=False):
            handler(number, None)

    def _end(self, number: int) -> None:
        """Leave at once; on a thread of its own, while the main one is stuck."""
        message = (
            f"stopped by signal {number}, but not within {self._seconds:g} s: the last checkpoint "
            "counts, and the same command goes on from there"
        )
        os.write(2, f"vqx: {message}\n".encode())
        # Each with a limit: a file server that does not answer may be what it is stuck in.
        _within(_WORDS_SECONDS, self.when_overdue, message)
        _within(_HANDLER_SECONDS, self.call_previous, number)
        os._exit(128 + number)


def _within(seconds: float, call: Callable[..., None], *arguments: Any) -> None:
    """Run `call` for `seconds` at most; sys.exit in it ends no more than its thread."""
    thread = threading.Thread(target=call, args=arguments, daemon=True)
    thread.start()
    thread.join(seconds)
