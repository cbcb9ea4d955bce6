"""Pushing what runs have recorded for W&B without a network: `python -m vqx.report wandb=sync`."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqx.errors import VqxError
from vqx.reporting.wandb_recordings import (
    Recording,
    has_begun,
    mark_begun,
    mark_pushed,
    pushed,
    recordings,
)
from vqx.runs.files import read_lines
from vqx.runs.folder import read_json
from vqx.runs.reading import Run
from vqx.runs.status import State
from vqx.tracking.wandb_logger import UNSENT, WandbLogger
from vqx.tracking.wandb_server import check_installed, server_fault, server_url

ENDED = (State.DONE, State.COLLAPSED, State.DIVERGED, State.FAILED)
_PUSH_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A run whose newest recording, the last, is not at W&B yet."""

    run: Run
    recordings: list[Recording]


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
    """The recordings if W&B does not have the newest, as it has that of a session online."""
    path = run.folder.path
    found = recordings(path)
    if not found or pushed(path) == found[-1].name:
        return None
    return _Waiting(run, found) if found[-1].is_offline or _is_unsent(run) else None


def _is_unsent(run: Run) -> bool:
    """Whether W&B failed in the run's last session."""
    return _unsent(run).exists()


def _unsent(run: Run) -> Path:
    return run.folder.path / "wandb" / UNSENT


def _pushed(found: _Waiting, show: Callable[[str], object]) -> str | None:
    """Push and mark it; why that failed, with the run's name."""
    path, newest = found.run.folder.path, found.recordings[-1]
    try:
        if not newest.was_sent:
            _push(found)
        mark_pushed(path, recordings(path)[-1], server=server_url())
    except (VqxError, OSError) as error:
        return f"{path.name} ({error})"
    show(f"pushed {path}")
    return None


def _push(found: _Waiting) -> None:
    """The newest recording as it is, which holds the whole run; or the lines that W&B lacks.

    The former only where W&B has nothing of the run yet: to what it has, `wandb sync` would add
    the same lines again.
    """
    folder, newest = found.run.folder, found.recordings[-1]
    known = has_begun(folder.path) or any(r.was_sent or not r.is_offline for r in found.recordings)
    if known or not newest.is_whole(lines=len(read_lines(folder.metrics))):
        _push_lines(found)
    else:
        mark_begun(folder.path)
        _push_recording(newest, folder=folder.path)


def _push_lines(found: _Waiting) -> None:
    """As a session online would that has nothing left to train. Raises VqxError for a failure."""
    run = found.run
    logger = WandbLogger(**_destination(found), mode="online")
    logger.start(
        folder=run.folder.path,
        signature=run.signature,
        name=run.folder.path.name,
        config=run.config,
    )
    done = run.state in (State.DONE, State.COLLAPSED)
    logger.finish(state=run.state, exit_code=0 if done else 1, message=run.note)
    if _is_unsent(run):
        raise VqxError("W&B did not take all of it")


def _destination(found: _Waiting) -> dict[str, Any]:
    """Project, entity and group, as the last session had them that told."""
    if (told := read_json(_unsent(found.run))) is not None:
        return told
    known = next((run for r in reversed(found.recordings) if (run := r.run()) is not None), None)
    if known is None:
        return {}
    group, entity = known.run_group or None, known.entity or None
    return {"project": known.project, "entity": entity, "group": group}


def _push_recording(recording: Recording, *, folder: Path) -> None:
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
