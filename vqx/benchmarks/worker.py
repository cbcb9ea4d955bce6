"""A process that measures, so that a want of memory ends it and nothing else."""

import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from vqx.benchmarks.machine import address_space, available_memory

SHARE = 0.95  # of the memory available at its start, that the process may take


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no result, in one line."""

    reason: str


class Worker:
    """Runs calls, one at a time, in a process of its own, which is started anew when it has died.

    limited: it may take no more than SHARE of the memory available at its start; an allocation
    beyond raises an error in it instead of calling the system's killer. (Not for a GPU, whose
    driver reserves far more addresses than it uses.)
    """

    def __init__(self, *, limited: bool) -> None:
        self._limited = limited
        self._context = multiprocessing.get_context("spawn")
        self._process: Any = None
        self._connection: Connection | None = None

    def __call__(self, call: Callable[..., Any], *arguments: object) -> Any:
        """What `call(*arguments)` returns there, or a Failure; all of it must be picklable."""
        connection = self._connection or self._start()
        connection.send((call, arguments))
        try:
            return connection.recv()
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            self._connection = None
            name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            return Failure(f"its process ended with {name}")

    def close(self) -> None:
        """End the process, whatever it is doing; an idle one ends by itself and tidies up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            self._process.join(timeout=2)
            self._process.kill()
            self._process.join()

    def _start(self) -> Connection:
        # torch's profiler, which counts allocations, would report each start and missing GPUs.
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")
        self._connection, theirs = self._context.Pipe()
        self._process = self._context.Process(target=_serve, args=(theirs, self._limited))
        self._process.start()
        theirs.close()
        return self._connection


def _serve(connection: Connection, limited: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted, and ends us
    if limited:
        _limit_memory()
    while True:
        try:
            call, arguments = connection.recv()
        except EOFError:
            return
        try:
            result = call(*arguments)
        except Exception as error:
            lines = str(error).strip().splitlines() or [""]
            result = Failure(f"{type(error).__name__}: {lines[0][:200]}")
        connection.send(result)


def _limit_memory() -> None:
    room = int(SHARE * available_memory())
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + room, hard))
