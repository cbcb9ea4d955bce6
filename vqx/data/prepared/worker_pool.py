"""Processes that work through a range of indices, whose answers come in order. No torch.

None is left behind, however the one that started them ends; one that dies is an error at once.
"""

import multiprocessing
import os
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from vqx.processes import end_with_parent

T = TypeVar("T")
CHUNK = 4
_CHUNKS_AHEAD = 3  # of each worker, so that none waits for the slowest image
_MEMORY = "out of memory"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class WorkerLost(Exception):
    """A worker that ended, or had too little memory, before its answers.

    `indices`: those it owed, the first of which it was at; `why`: in words.
    """

    def __init__(self, indices: range, why: str) -> None:
        super().__init__(f"{why}, with {indices} to do")
        self.indices = indices
        self.why = why


def in_order(
    work: Callable[[int], T], indices: range, *, workers: int, chunk: int = CHUNK
) -> Generator[T, None, None]:
    """`work(index)` for each of `indices` (step 1), computed by `workers` processes; 0: by this.

    `chunk` neighbours at a time go to one process. Closing the generator ends them. Raises
    WorkerLost; RuntimeError for what `work` raised.
    """
    if not indices:
        return
    if workers == 0 or multiprocessing.current_process().daemon:  # daemons may have no children
        for index in indices:
            try:
                yield work(index)
            except MemoryError:
                raise WorkerLost(indices[index - indices.start :], _MEMORY) from None
        return
    pool = _Pool(work, indices, workers=min(workers, -(-len(indices) // chunk)), chunk=chunk)
    try:
        yield from pool.answers()
    finally:
        pool.close()


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


class _Worker:
    """One process, its pipe, and the chunks it was given and has not answered."""

    def __init__(self, work: Callable[[int], Any]) -> None:
        # Forked, so that a worker costs no start of Python and `work` need not be pickled; it
        # touches neither torch nor threads.
        start = "fork" if sys.platform == "linux" else "spawn"
        context: Any = multiprocessing.get_context(start)
        self.pipe, theirs = context.Pipe()
        self.owed: deque[range] = deque()
        self.process = context.Process(
            target=_serve, args=(work, theirs, self.pipe, os.getpid()), daemon=True
        )
        self.process.start()
        theirs.close()  # before the next worker starts: this one's end must be its own alone

    def give(self, chunk: range) -> None:
        self.owed.append(chunk)
        with suppress(OSError):  # gone: its sentinel says so
            self.pipe.send((chunk.start, chunk.stop))

    def receive(self) -> tuple[int, Any]:
        """Its next answer, which is ready. Raises WorkerLost."""
        try:
            answer, failure = self.pipe.recv()
        except (EOFError, OSError):
            raise self.lost() from None
        if failure == _MEMORY:
            raise WorkerLost(self._rest(), _MEMORY)
        if failure:
            raise RuntimeError(f"in a worker:\n{failure}")
        chunk = self.owed.popleft()
        if len(chunk) > 1:
            self.owed.appendleft(chunk[1:])
        return chunk.start, answer

    def lost(self) -> WorkerLost:
        self.process.join(10)
        code = self.process.exitcode
        how = f"exit code {code}" if code is None or code >= 0 else signal.Signals(-code).name
        return WorkerLost(self._rest(), f"ended by {how}")

    def _rest(self) -> range:
        return self.owed[0] if self.owed else range(0)

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.process.close()
        self.pipe.close()


class _Pool(Generic[T]):
    def __init__(
        self, work: Callable[[int], T], indices: range, *, workers: int, chunk: int
    ) -> None:
        self._indices = indices
        self._next_given = indices.start
        self._done: dict[int, T] = {}
        self._chunk, self._window = chunk, workers * chunk * _CHUNKS_AHEAD
        self._workers: list[_Worker] = []
        try:
            # Ctrl-C waits until all are here to be ended, and deaf to it.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
            try:
                for _ in range(workers):
                    self._workers.append(_Worker(work))
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        except BaseException:
            self.close()
            raise

    def answers(self) -> Generator[T, None, None]:
        for index in self._indices:
            while index not in self._done:
                self._give(index)
                self._collect()
            yield self._done.pop(index)

    def _give(self, wanted: int) -> None:
        """Two chunks for each worker, of those not too far beyond the index `wanted`."""
        limit = min(self._indices.stop, wanted + self._window)
        for depth in (1, 2):
            for worker in self._workers:
                if len(worker.owed) < depth and self._next_given < limit:
                    stop = min(self._next_given + self._chunk, self._indices.stop)
                    worker.give(range(self._next_given, stop))
                    self._next_given = stop

    def _collect(self) -> None:
        busy = [worker for worker in self._workers if worker.owed]
        pipes: dict[Any, _Worker] = {worker.pipe: worker for worker in busy}
        ready = wait([*pipes, *(worker.process.sentinel for worker in busy)])
        # Answers first: what a worker sent before its end still counts.
        answered = [pipes[one] for one in ready if one in pipes]
        for worker in answered:
            index, answer = worker.receive()
            self._done[index] = answer
        if not answered:
            raise next(w for w in busy if w.process.sentinel in ready).lost()

    def close(self) -> None:
        for worker in self._workers:
            worker.end()
        self._workers.clear()


def _serve(work: Callable[[int], Any], pipe: Connection, theirs: Connection, parent: int) -> None:
    end_with_parent(parent)
    # Ctrl-C and schedulers signal the whole process group: the parent decides when its workers end.
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    if sys.platform == "linux":
        theirs.close()
    with suppress(EOFError, OSError):
        while True:
            for index in range(*pipe.recv()):
                pipe.send(_answer(work, index))


def _answer(work: Callable[[int], Any], index: int) -> tuple[Any, str]:
    """The answer, or why there is none."""
    try:
        return work(index), ""
    except MemoryError:
        return None, _MEMORY
    except Exception:
        return None, traceback.format_exc()
