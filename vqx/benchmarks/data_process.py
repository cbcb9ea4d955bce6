"""A reader of the data benchmark in a process of its own, which answers or is ended.

There images are counted by the wall clock, and processor time by the kernel: of the process, its
threads and the processes that it started.
"""

import gc
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqx.errors import VqxError

if TYPE_CHECKING:
    from torch import Tensor

PRELOADED = ("torchvision", "vqx.data", "vqx.benchmarks.data_readers")
_QUIET = 0.02  # seconds of processor time in _PAUSE, below which a process has come to rest
_PAUSE = 0.05
_RESTLESS = 2.0  # seconds after which it never will


class ReaderFailed(VqxError):
    """A reader has ended, hung or raised, in one line."""


@dataclass(frozen=True, slots=True)
class Window:
    """What was read in one stretch of time: images, seconds and seconds of processor time."""

    images: int
    seconds: float
    processor: float

    @property
    def speed(self) -> float:
        """Images a second."""
        return self.images / self.seconds


@dataclass(frozen=True, slots=True)
class Stretch:
    """How long to read: `seconds` and `batches` at least, in whole rounds of `workers` batches.

    `skipped` batches are read before, more than may lie ready. `floats`: convert them to floats.
    """

    seconds: float
    batches: int
    workers: int
    skipped: int
    floats: bool


class ReaderProcess:
    """`opener(*arguments)` gives None, then batches, in a process that may use `cores` processors.

    Raises ReaderFailed where it ends, raises or does not answer within a call's `limit` seconds;
    the process is then ended.
    """

    def __init__(
        self, opener: Callable[..., Any], *arguments: object, cores: int | None = None
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(PRELOADED))
        self._connection, theirs = context.Pipe()
        usual = multiprocessing.get_start_method()
        self._process = context.Process(
            target=_serve, args=(theirs, opener, arguments, cores, usual)
        )
        self._process.start()
        theirs.close()

    def open(self, *, floats: bool, limit: float = 300.0) -> float:
        """Open the reader; seconds to its first batch, imports apart; `floats` as of Stretch."""
        seconds = self._ask(floats, limit)
        assert isinstance(seconds, float)
        return seconds

    def read(self, stretch: Stretch, *, limit: float = 120.0) -> Window:
        """Read for a while, then wait until nothing more is read ahead."""
        window = self._ask(stretch, limit)
        assert isinstance(window, Window)
        return window

    def close(self) -> None:
        """Close the reader and end its process, whatever it is doing."""
        self._end(patience=5.0)

    def _end(self, *, patience: float) -> None:
        self._connection.close()
        self._process.join(timeout=patience)
        pid = self._process.pid
        left = _descendants(pid) if pid is not None and self._process.is_alive() else []
        self._process.kill()
        self._process.join()
        for orphan in left:  # what a killed reader has started does not end with it
            with suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)

    def _ask(self, request: object, limit: float) -> object:
        try:
            self._connection.send(request)
            if not self._connection.poll(limit):
                self._end(patience=0.0)
                raise ReaderFailed(f"no answer within {limit:g} s")
            answer = self._connection.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self.close()
            code = self._process.exitcode or 0
            name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            raise ReaderFailed(f"its process ended with {name}") from None
        if isinstance(answer, ReaderFailed):
            self.close()
            raise answer
        return answer


def _serve(
    connection: Connection,
    opener: Callable[..., Any],
    arguments: tuple[object, ...],
    cores: int | None,
    start_method: str,
) -> None:
    from vqx.processes import end_with_parent

    # What a reader starts, it starts as in a user's process and not as this one was started.
    multiprocessing.set_start_method(start_method, force=True)
    end_with_parent(os.getppid())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted, and ends us
    _confine(cores)
    server = _Server(opener, arguments)
    try:
        while True:
            request = connection.recv()
            try:
                answer = server(request)
            except Exception as error:
                lines = str(error).strip().splitlines() or [""]
                answer = ReaderFailed(f"{type(error).__name__}: {lines[0][:300]}")
            connection.send(answer)
    except (EOFError, BrokenPipeError):
        server.close()


def _confine(cores: int | None) -> None:
    """To the first `cores` of the processors that this process may use, torch's threads too."""
    if cores is not None:
        import torch

        allowed = sorted(os.sched_getaffinity(0))[:cores]
        os.sched_setaffinity(0, allowed)
        torch.set_num_threads(len(allowed))


class _Server:
    def __init__(self, opener: Callable[..., Any], arguments: tuple[object, ...]) -> None:
        self._opener, self._arguments = opener, arguments
        self._batches: Generator[Any, None, None] | None = None
        self._floats: Tensor | None = None

    def __call__(self, request: object) -> object:
        if isinstance(request, Stretch):
            return self._read(request)
        self._batches = self._opener(*self._arguments)
        next(self._batches)
        start = time.perf_counter()
        batch = next(self._batches)
        if request:
            self._convert(batch)
        seconds = time.perf_counter() - start
        _rest()
        return seconds

    def close(self) -> None:
        if self._batches is not None:
            self._batches.close()

    def _read(self, stretch: Stretch) -> Window:
        batches = self._batches
        assert batches is not None
        for _ in range(stretch.skipped):
            next(batches)
        gc.collect()
        images, number, seconds = 0, 0, 0.0
        busy, start = processor_seconds(), time.perf_counter()
        while seconds < stretch.seconds or number < stretch.batches or number % stretch.workers:
            batch = next(batches)
            if stretch.floats:
                self._convert(batch)
            images, number = images + len(batch), number + 1
            seconds = time.perf_counter() - start
        window = Window(images, seconds, processor_seconds() - busy)
        _rest()
        return window

    def _convert(self, batch: Any) -> "Tensor":
        """What the trainer's `to_float` makes of it, in one thread, where the last one was.

        One thread, as in the baseline's workers: on cores that are busy with a loader's workers
        several would wait for each other. One place, as ffcv.Loader's: pages mapped anew for each
        batch take longer than the conversion, and a GPU does not map any.
        """
        import torch

        if self._floats is None or self._floats.shape != batch.shape:
            self._floats = torch.empty(batch.shape)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        self._floats.copy_(batch).div_(127.5).sub_(1)
        torch.set_num_threads(threads)
        return self._floats


def _rest() -> None:
    """Wait until nothing is read ahead: the next reader has the machine for itself."""
    limit = time.perf_counter() + _RESTLESS
    busy = processor_seconds()
    while time.perf_counter() < limit:
        time.sleep(_PAUSE)
        before, busy = busy, processor_seconds()
        if busy - before < _QUIET:
            return


def processor_seconds() -> float:
    """Seconds of processor time of this process and of those that it started and that live."""
    tick = os.sysconf("SC_CLK_TCK")
    return time.process_time() + sum(_ticks(pid) for pid in _descendants(os.getpid())) / tick


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(fields[11]) + int(fields[12])


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in listed.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        for child in children:
            found += [child, *_descendants(child)]
    return found
