"""Signals that ask a run to stop: it ends its step, saves, and leaves; the same command goes on.

SIGINT is Ctrl-C, SIGTERM a scheduler or `kill`, SIGUSR2 a scheduler's warning before the end.
"""

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)


class StopRequest:
    """Context manager that notes stop signals instead of dying of them.

    A second Ctrl-C raises KeyboardInterrupt at once. `call_previous` passes the signal on to the
    handler that was there before (a launcher's requeueing), once the state is saved.
    """

    def __init__(
        self,
        *,
        on_signal: Callable[[int], None] | None = None,
        patient: bool = False,
    ) -> None:
        self.signal_number = 0
        self._on_signal = on_signal
        self._patient = patient  # a spawned rank: its parent decides when patience ends
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        for number in STOP_SIGNALS:
            self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal_number and number == signal.SIGINT and not self._patient:
            raise KeyboardInterrupt
        self.signal_number = number
        if self._on_signal is not None:
            self._on_signal(number)

    def call_previous(self) -> None:
        """Call the Python handler that the noted signal had before this request, if it had one."""
        handler = self._previous.get(self.signal_number)
        if callable(handler) and handler is not signal.default_int_handler:
            handler(self.signal_number, None)
