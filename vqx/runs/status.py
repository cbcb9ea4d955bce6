"""What a run is doing: its state, and a heartbeat that proves that a process is alive."""

import os
import socket
import threading
import time
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from vqx.errors import Diverged, Interrupted, VqxError
from vqx.runs import scheduler


class State(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    COLLAPSED = "collapsed"
    DIVERGED = "diverged"
    INTERRUPTED = "interrupted"


def now_iso() -> str:
    """Local time with its zone, to the second."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The content of status.json; `heartbeat` is Unix time in seconds.

    `job_id` (123 or 123_4), `node` and `restarts` are Slurm's, None and 0 outside of it.
    """

    state: State
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    node: str | None = field(default_factory=scheduler.node)
    job_id: str | None = field(default_factory=scheduler.job_id)
    restarts: int = field(default_factory=scheduler.restarts)
    started: str = field(default_factory=now_iso)
    heartbeat: float = field(default_factory=time.time)
    step: int = 0
    steps: int = 0
    eta_seconds: float | None = None
    images_per_second: float | None = None
    message: str = ""

    def to_json(self) -> dict[str, Any]:
        """As a plain dictionary."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any], *, path: Path) -> "Status":
        """From a dictionary; keys of newer versions are ignored. Raises VqxError naming `path`."""
        try:
            eta, rate = record.get("eta_seconds"), record.get("images_per_second")
            return cls(
                state=State(record["state"]),
                host=str(record["host"]),
                pid=int(record["pid"]),
                node=record.get("node"),
                job_id=record.get("job_id"),
                restarts=int(record.get("restarts", 0)),
                started=str(record["started"]),
                heartbeat=float(record["heartbeat"]),
                step=int(record["step"]),
                steps=int(record["steps"]),
                eta_seconds=None if eta is None else float(eta),
                images_per_second=None if rate is None else float(rate),
                message=str(record.get("message", "")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise VqxError(f"{path} is damaged ({error!r}): delete it and run again") from error


def state_after(error: BaseException | None) -> State:
    """The state of a run that ended with `error` (None: without one)."""
    if error is None:
        return State.DONE
    if isinstance(error, Diverged):
        return State.DIVERGED
    if isinstance(error, Interrupted | KeyboardInterrupt):
        return State.INTERRUPTED
    return State.FAILED


class StatusFile(Protocol):
    """Where a heartbeat is written: a RunFolder."""

    def write_status(self, status: Status) -> None:
        """Replace the status."""


class ReadableStatusFile(StatusFile, Protocol):
    """The same, read back."""

    def read_status(self) -> Status | None:
        """The last status written, None before the first."""


def write_end(folder: ReadableStatusFile, state: State, message: str) -> None:
    """Say how a run ended whose own process has no word in it any more."""
    last = folder.read_status() or Status(state=state)
    folder.write_status(replace(last, state=state, eta_seconds=None, message=message))


class Heartbeat:
    """Rewrites status.json every `interval` seconds from a thread, while the process lives.

    `update` in the training loop only remembers; an error of the thread's writes (a full disk) is
    raised by the next `update`. Leaving the block writes the state that `end` was not
    told: done, or what the exception means.
    """

    def __init__(
        self, folder: StatusFile, *, steps: int, step: int = 0, interval: float = 10.0
    ) -> None:
        self._folder = folder
        self._interval = interval
        self._status = Status(state=State.RUNNING, step=step, steps=steps)
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._beat, name="vqx-heartbeat", daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._write()
        self._thread.start()
        return self

    def update(
        self,
        *,
        step: int,
        steps: int | None = None,
        eta_seconds: float | None = None,
        images_per_second: float | None = None,
        message: str = "",
    ) -> None:
        """Note how far the run is, for the next beat; no disk access, so call it every step."""
        error, self._error = self._error, None
        if error is not None:
            raise error
        with self._guard:
            self._status = replace(
                self._status,
                step=step,
                steps=self._status.steps if steps is None else steps,
                eta_seconds=eta_seconds,
                images_per_second=images_per_second,
                message=message,
            )

    def end(self, state: State, message: str = "") -> None:
        """Stop beating and write the final state; only the first call counts."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join()
        self._status = replace(self._status, state=state, eta_seconds=None, message=message)
        self._write()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.end(state_after(error), first_line(error))
        except (OSError, VqxError) as unwritten:
            if error is None:
                raise
            error.add_note(f"the final status could not be written either: {unwritten}")

    def _beat(self) -> None:
        while not self._stop.wait(self._interval):
            try:
                self._write()
            except (OSError, VqxError) as error:
                self._error = error

    def _write(self) -> None:
        with self._guard:  # not held while writing: a slow disk must not stop the training loop
            status = replace(self._status, heartbeat=time.time())
        self._folder.write_status(status)


def first_line(error: BaseException | None) -> str:
    """What a status says of `error`, with its class if it is none of vqx's; "" for None."""
    if error is None:
        return ""
    lines = str(error).strip().splitlines()
    name = "" if isinstance(error, VqxError) else type(error).__name__
    return ": ".join(part for part in (name, lines[0] if lines else "") if part)
