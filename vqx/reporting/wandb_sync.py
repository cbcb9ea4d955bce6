"""Pushing what runs have recorded for W&B without a network: `python -m vqx.report wandb=sync`."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vqx.errors import VqxError
from vqx.reporting.wandb_recordings import Recording, mark_pushed, pushed, recordings
from vqx.runs.files import read_lines
from vqx.runs.reading import Run
from vqx.runs.status import State
from vqx.training.wandb_logger import UNSENT, WandbLogger
from vqx.training.wandb_server import check_installed, server_fault, server_url

ENDED = (State.DONE, State.COLLAPSED, State.DIVERGED, State.FAILED)
_PUSH_SECONDS, _WRITTEN_SECONDS = 600.0, 20.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A run whose newest recording is not at W&B yet."""

    run: Run
    recording: Recording


def sync(runs: Sequence[Run], *, show: Callable[[str], object]) -> None:
    """Push each ended run's offline recording, once; a later session's replaces it there.

    Raises VqxError when wandb, a login or the network is missing, and, once the others are
    pushed, naming each run that could not be.
    """
    check_installed()
    ended = [run for run in runs if run.state in ENDED]
    waiting = [found for run in ended if (found := _waiting(run)) is not None]
    left = len(runs) - len(ended)
    rest = f"; {left} not finished, so not pushed" if left else ""
    if not waiting:
        show(f"W&B: nothing to push{rest}")
        return
    if fault := server_fault():
        raise VqxError(f"W&B: none of {_count(len(waiting))} pushed: {fault}")
    failures = [failure for found in waiting if (failure := _pushed(found, show)) is not None]
    show(f"W&B: pushed {_count(len(waiting) - len(failures))} to {server_url()}{rest}")
    if failures:
        raise VqxError(
            f"W&B: {_count(len(failures))} not pushed: {'; '.join(failures)}. The same command "
            "tries these again"
        )


def _count(runs: int) -> str:
    return f"{runs} run{'s' * (runs != 1)}"


def _waiting(run: Run) -> _Waiting | None:
    """The newest recording if W&B does not have it, as it has that of a session online."""
    path = run.folder.path
    newest = next(reversed(recordings(path)), None)
    if newest is None or pushed(path) == newest.name:
        return None
    return _Waiting(run, newest) if newest.is_offline or _is_unsent(run) else None


def _is_unsent(run: Run) -> bool:
    """Whether W&B failed in the run's last session."""
    return (run.folder.path / "wandb" / UNSENT).exists()


def _pushed(found: _Waiting, show: Callable[[str], object]) -> str | None:
    """Push and mark it; why that failed, with the run's name."""
    path = found.run.folder.path
    try:
        recording = _whole(found)
        if not recording.was_sent:
            _push(recording, folder=path)
        mark_pushed(path, recording, server=server_url())
    except (VqxError, OSError) as error:
        return f"{path.name} ({error})"
    show(f"pushed {path}")
    return None


def _whole(found: _Waiting) -> Recording:
    """The recording, made anew from the run folder where W&B did not get all of the run."""
    run, old = found.run, found.recording
    lines = len(read_lines(run.folder.metrics))
    if old.is_whole(lines=lines) and not _is_unsent(run):
        return old
    known = old.run()
    assert known is not None  # or it would have no place in the order
    logger = WandbLogger(
        project=known.project, entity=known.entity or None, group=known.run_group, mode="offline"
    )
    logger.start(
        folder=run.folder.path,
        signature=known.run_id,
        name=known.display_name,
        config=run.config,
    )
    done = run.state in (State.DONE, State.COLLAPSED)
    logger.finish(state=run.state, exit_code=0 if done else 1, message=run.note)
    end = time.monotonic() + _WRITTEN_SECONDS  # wandb's own process writes on after `finish`
    while time.monotonic() < end:
        new = recordings(run.folder.path)[-1]
        if new.name != old.name and new.is_whole(lines=lines):
            return new
        time.sleep(0.05)
    raise VqxError("its recording is not whole, and could not be made anew from the run folder")


def _push(recording: Recording, *, folder: Path) -> None:
    """Let wandb send it. Raises VqxError with wandb's own reason."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "wandb", "sync", str(recording.file.parent.resolve())],
            cwd=folder,  # it keeps a log in the working directory
            env={**os.environ, "WANDB_DIR": str(folder.resolve())},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_PUSH_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise VqxError(f"no end after {_PUSH_SECONDS:g} s") from error
    # Its exit code alone does not tell: it is 0 for a run that the server has refused.
    if done.returncode or not recording.was_sent:
        raise VqxError(_reason(done.stdout))


def _reason(output: str) -> str:
    """The line of wandb's output that says what is wrong: the first that calls itself an error."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower() or line.startswith("panic")]
    return (telling or lines[-1:] or ["wandb says nothing"])[0].removeprefix("wandb: ")
