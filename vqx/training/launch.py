"""From a configuration and a folder to a finished run: on this process, on several, on nodes.

Whoever holds the folder's lock answers for it: this process, the parent of spawned ranks on the
first node, or the first rank under torchrun and srun. Light until ranks train, so that a stop
signal is heard from the first moment on.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from vqx.errors import ConfigError, Interrupted, RunLocked, VqxError
from vqx.runs.configuration import write_configuration
from vqx.runs.folder import RunFolder
from vqx.runs.lock import RunLock
from vqx.runs.status import State, Status, first_line, state_after, write_end
from vqx.training.placement import Node, Rank, placement
from vqx.training.session import Session
from vqx.training.settings import TrainerSettings
from vqx.training.signals import StopRequest
from vqx.training.spawning import run_ranks


def run_training(config: dict[str, Any], folder: RunFolder, *, overrides: Sequence[str]) -> int:
    """Train the run of `config` in `folder`, or go on with it, until result.json is there.

    Returns the number of a stop signal that came too late to interrupt it, else 0. Raises what
    ended the run otherwise: Interrupted, Diverged, RunLocked, another VqxError, or the exception
    of the rank that failed first.
    """
    settings = TrainerSettings.from_config(config["trainer"])
    if type(config["seed"]) is not int:
        raise ConfigError(f"seed must be a whole number; got {config['seed']!r}")
    place = placement(settings.devices)
    first = place.node == 0 if isinstance(place, Node) else place.rank == 0
    if not first and folder.is_done:
        return 0
    session = Session.of(folder.path)
    with _told_to_others(session), StopRequest() as stop:
        if not first:
            return _run(config, folder, place, stop, session)
        with RunLock(folder.path) as lock:
            if folder.is_done:  # by another process, while this one waited for its turn
                return 0
            owned = RunFolder(folder.path, lock.claim)
            if session is not None:
                session.forget_others()
            _prepare(config, owned, overrides=overrides)
            with _accounted(owned):
                return _run(config, owned, place, stop, session)


def _run(
    config: dict[str, Any],
    folder: RunFolder,
    place: Rank | Node,
    stop: StopRequest,
    session: Session | None,
) -> int:
    """Train as the ranks of `place`; the number of a stop signal that came too late, else 0.

    The handler that a signal had before, which may requeue the job, is called when the signal has
    stopped the run, not when the run failed.
    """
    try:
        if isinstance(place, Node):
            run_ranks(config, folder, place, stop, session)
        else:
            from vqx.training.rank import train_rank

            train_rank(config, folder, place, stop)
    except Interrupted as interrupted:
        if session is not None and (reason := session.failure()):
            # Slurm ends all tasks of a step in which one failed, by the signal of a preemption.
            raise VqxError(f"another process of this run failed: {reason}") from interrupted
        stop.call_previous(interrupted.signal_number)
        raise
    stop.call_previous()
    return stop.signal_number


def _prepare(config: dict[str, Any], folder: RunFolder, *, overrides: Sequence[str]) -> None:
    """Say in the folder what is about to run; the lock is held."""
    folder.clear_error()
    write_configuration(folder, config, overrides=overrides)
    before = folder.read_status()
    step, steps = (before.step, before.steps) if before is not None else (0, 0)
    folder.write_status(Status(state=State.RUNNING, step=step, steps=steps, message="starting"))


@contextmanager
def _accounted(folder: RunFolder) -> Iterator[None]:
    """Leave no status behind that says running: whatever ends the run, ends it there too."""
    try:
        yield
    except RunLocked:  # taken over: the folder has another owner, who says what it does
        raise
    except BaseException as error:
        try:
            status = folder.read_status()
            state = State.RUNNING if status is None else status.state
            # A rank was interrupted because another one failed: that counts. But the exit of a
            # handler that has put the job back into the queue is no failure.
            outdated = state is State.INTERRUPTED and isinstance(error, Exception)
            if state is State.RUNNING or outdated:
                write_end(folder, state_after(error), first_line(error))
        except (OSError, VqxError) as unwritten:
            error.add_note(f"the final status could not be written either: {unwritten}")
        raise


@contextmanager
def _told_to_others(session: Session | None) -> Iterator[None]:
    """Let a failure here end the wait of the other nodes' processes."""
    try:
        yield
    except Interrupted:
        raise
    except (Exception, KeyboardInterrupt) as error:
        if session is not None:
            session.fail(first_line(error))
        raise
