"""Ranks in processes of their own on this machine: started, stopped, and ended when one fails."""

import multiprocessing
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vqx.errors import Interrupted, VqxError
from vqx.processes import end_with_parent
from vqx.runs.folder import RunFolder
from vqx.runs.status import State, first_line, state_after, write_end
from vqx.training.placement import Node, Rank
from vqx.training.session import Session
from vqx.training.signals import STOP_SIGNALS, StopRequest

# After one rank has failed the others get this long to say why they fail too; after one has saved
# and left because of a signal, the first still has a logger to close.
_GRACE_SECONDS, _FAREWELL_SECONDS = 5.0, 120.0
_PAUSE_SECONDS, _LOOK_SECONDS = 0.05, 1.0


def run_ranks(
    config: dict[str, Any],
    folder: RunFolder,
    node: Node,
    stop: StopRequest,
    session: Session | None,
) -> None:
    """Train as the ranks of `node`, pass stop signals on to them, and wait.

    When one fails, here or on another node, the others are ended within seconds and its exception
    is raised here.
    """
    with ExitStack() as stack:
        store: Path | None = None
        if node.nodes == 1:  # a file needs no port, and so races with nobody
            place = stack.enter_context(tempfile.TemporaryDirectory(prefix="vqx-"))
            store = Path(place) / "store"
        ranks = _Ranks.of(config, folder, node.ranks(store=store))
        stop.on_signal = ranks.pass_on
        stop.when_overdue = lambda message: _end_overdue(ranks, folder, message, node)
        stack.callback(ranks.kill)
        ranks.start(stop)
        reason = ranks.wait(session)
        ranks.kill()
        _raise_failure(ranks, folder, node, session, reason)


@dataclass(slots=True)
class _Ranks:
    """The processes of one machine's ranks."""

    processes: list[Any]
    numbers: list[int]
    failures: Any
    first_failure: tuple[BaseException, str] | None = None
    exit_codes: list[int] = field(default_factory=list)  # 0 for those that lived on
    overdue: bool = False

    @classmethod
    def of(cls, config: dict[str, Any], folder: RunFolder, ranks: Sequence[Rank]) -> "_Ranks":
        context = multiprocessing.get_context("spawn")
        failures = context.SimpleQueue()
        processes = [
            context.Process(target=_spawned, args=(config, folder, rank, failures, os.getpid()))
            for rank in ranks
        ]
        return cls(processes, [rank.rank for rank in ranks], failures)

    def start(self, stop: StopRequest) -> None:
        """Start them with stop signals blocked until they can note one: it waits for them."""
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            for process in self.processes:
                process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        if stop.signal_number:  # noted before there was anybody to pass it on to
            self.pass_on(stop.signal_number)

    def pass_on(self, number: int) -> None:
        """Send a signal to all that live."""
        for process in self.processes:
            if process.is_alive():
                os.kill(process.pid, number)

    def wait(self, session: Session | None) -> str | None:
        """Until all have ended, or a moment after a failure; why another node failed, if one did.

        Keeps the exit codes that ranks had before others followed them.
        """
        deadline, look, reason = None, 0.0, None
        while any(process.is_alive() for process in self.processes):
            for process in self.processes:
                process.join(timeout=_PAUSE_SECONDS)
            now = time.monotonic()
            if session is not None and reason is None and now > look:
                reason, look = session.failure(), now + _LOOK_SECONDS
            failed = any(process.exitcode not in (None, 0) for process in self.processes)
            if deadline is None and (failed or reason is not None):
                self._note()
                kind = self.first_failure[0] if self.first_failure else None
                grace = _FAREWELL_SECONDS if isinstance(kind, Interrupted) else _GRACE_SECONDS
                deadline = now + grace
            if deadline is not None and now > deadline:
                break
        while self.overdue:  # another thread is ending this process, and says why
            time.sleep(_LOOK_SECONDS)
        self._note()
        return reason or (session.failure() if session is not None else None)

    def _note(self) -> None:
        self.exit_codes = self.exit_codes or [p.exitcode or 0 for p in self.processes]
        if self.first_failure is None and not self.failures.empty():
            self.first_failure = self.failures.get()

    def kill(self) -> None:
        """End all that still live."""
        for process in self.processes:
            if process.pid is not None:
                process.kill()
                process.join()


def _end_overdue(ranks: _Ranks, folder: RunFolder, message: str, node: Node) -> None:
    ranks.overdue = True
    ranks.kill()
    if node.node == 0:
        write_end(folder, State.INTERRUPTED, message)


def _raise_failure(
    ranks: _Ranks, folder: RunFolder, node: Node, session: Session | None, reason: str | None
) -> None:
    """Raise what ended the ranks, if they did not end well, having said it in the folder."""
    ended = _cause(ranks, folder, reason)
    if ended is None:
        return
    error, message = ended
    if session is not None and not isinstance(error, Interrupted):
        session.fail(message)
    if node.node == 0:
        # The first rank may have had no time for it, or have said how it lost its partner.
        write_end(folder, state_after(error), message)
    raise error


def _cause(
    ranks: _Ranks, folder: RunFolder, reason: str | None
) -> tuple[BaseException, str] | None:
    """What ended the ranks and a line about it, None if all went well.

    A rank that a signal ended said nothing; what others say of how they lost it is no cause.
    """
    failure, codes = ranks.first_failure, ranks.exit_codes
    if failure is not None and isinstance(failure[0], VqxError):
        return failure
    if (index := next((i for i, code in enumerate(codes) if code and code < 0), None)) is not None:
        message = (
            f"rank {ranks.numbers[index]} was ended by signal {-codes[index]} (out of memory?)"
        )
    elif failure is not None and reason in (None, failure[1]):
        return failure
    elif reason is not None:
        message = f"another process of this run failed: {reason}"
        return VqxError(message), message
    elif (index := next((i for i, code in enumerate(codes) if code), None)) is not None:
        message = f"rank {ranks.numbers[index]} died without a word (exit code {codes[index]})"
    else:
        return None
    _name_cause(folder, message)
    return VqxError(f"{message}: see {folder.path}"), message


def _name_cause(folder: RunFolder, message: str) -> None:
    """Let error.txt begin with it: others may have written how they lost this rank."""
    if not folder.write_error(message + "\n"):
        others = folder.error.read_text(errors="replace")
        folder.replace_error(f"{message}\n\nThen, because of that:\n{others}\n{message}\n")


def _spawned(
    config: dict[str, Any], folder: RunFolder, rank: Rank, failures: Any, parent: int
) -> None:
    """One spawned rank. Its failure goes to the parent, the first one first."""
    end_with_parent(parent)
    with StopRequest(patient=True) as stop:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        try:
            from vqx.training.rank import train_rank

            train_rank(config, folder, rank, stop)
        except BaseException as error:
            failures.put(_portable(error, rank))
            sys.stdout.flush()
            os._exit(1)  # not through the process group's farewell, which may wait for other ranks


def _portable(error: BaseException, rank: Rank) -> tuple[BaseException, str]:
    """`error` as something another process can raise, and its first line."""
    if isinstance(error, VqxError):
        return error, first_line(error)
    message = f"rank {rank.rank}: {first_line(error)}"
    return RuntimeError(f"{message}\n{traceback.format_exc()}"), message
