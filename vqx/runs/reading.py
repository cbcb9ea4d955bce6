"""Run folders read back: what a run is, and its state as a reader can tell, not as it last said."""

import math
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqx.errors import VqxError
from vqx.runs.collection import collection_paused
from vqx.runs.contents import CONFIG, ENVIRONMENT, RESULT, STATUS, Contents, FolderReader
from vqx.runs.durations import duration
from vqx.runs.folder import RunFolder
from vqx.runs.index import read_indexed
from vqx.runs.lock import is_held
from vqx.runs.ownership import STALE_SECONDS, Found, Owner, newest_claim
from vqx.runs.places import find_places
from vqx.runs.status import State, Status

_NO_RUN = "no config.yaml: not a run folder, or one that never started"
_SILENT = "no heartbeat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run as found on disk; `note` says in a few words why its state is not plainly done."""

    folder: RunFolder
    slug: str
    signature: str
    config: dict[str, Any]
    status: Status | None
    result: dict[str, Any] | None
    environment: dict[str, Any]
    state: State
    note: str

    @property
    def is_silent(self) -> bool:
        """Whether it says that it is running, and nothing has been heard of it for too long."""
        says = None if self.status is None else self.status.state
        alive = self.state in (State.RUNNING, State.INTERRUPTED)
        return says is State.RUNNING and alive and self.note.startswith(_SILENT)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A folder that is no run, or too damaged to be told from its neighbours."""

    path: Path
    reason: str


def read_run(
    path: Path, *, now: float | None = None, config: dict[str, Any] | None = None
) -> Run | Skipped:
    """The run in `path`, or why there is none. Never raises for what the folder holds.

    `config` spares reading config.yaml, most of the time it takes, when it is known.
    """
    contents = FolderReader().read(str(path), but=() if config is None else (CONFIG,))
    return _judged(path, path.resolve().name, contents, now=now, config=config)


def read_runs(places: Iterable[str]) -> tuple[list[Run], list[Skipped]]:
    """Runs in folders of runs, in run folders, or in either by glob pattern; sorted by path.

    A run met twice, by path or as a copy in another place, is read once: a copy is no second seed.
    What the files said is kept in an index (`vqx.runs.index`) for the next time, no run's state.
    The configurations and records of runs share what is equal in them: nobody may change them.
    """
    runs: dict[str, Run] = {}
    skipped: list[Skipped] = []
    with collection_paused():
        for place, contents in read_indexed(find_places(places)):
            found = _judged(place.path, place.name, contents)
            if isinstance(found, Skipped):
                skipped.append(found)
            elif (twin := runs.get(place.name)) is None:
                runs[place.name] = found
            else:
                kept, other = (found, twin) if found.result and not twin.result else (twin, found)
                runs[place.name] = kept
                skipped.append(Skipped(other.folder.path, f"the same run as {kept.folder.path}"))
    return list(runs.values()), skipped


def _judged(
    path: Path,
    name: str,
    contents: Contents,
    *,
    now: float | None = None,
    config: dict[str, Any] | None = None,
) -> Run | Skipped:
    """The run whose files said `contents`, as things stand `now`."""
    if config is None and contents.files[CONFIG] is None:
        lost = "config.yaml is gone, although there is a result.json"
        none = lost if contents.files[RESULT] is not None else _NO_RUN
        return Skipped(path, contents.faults[CONFIG] or none)
    folder = RunFolder(path)
    slug, _, signature = name.rpartition("-")
    written, status, result, environment = contents.files
    known = _status(folder, status)
    state, note = _state(folder, known, result, time.time() if now is None else now)
    result_fault = contents.faults[RESULT]
    status_fault = contents.faults[STATUS] if result is None else ""
    fault = result_fault or status_fault or (contents.faults[ENVIRONMENT] if not note else "")
    return Run(
        folder=folder,
        slug=slug or signature,
        signature=signature,
        config=(written or {}) if config is None else config,
        status=known,
        result=result,
        environment=environment or {},
        state=State.FAILED if result_fault else state,
        note=fault or note,
    )


def _status(folder: RunFolder, record: dict[str, Any] | None) -> Status | None:
    try:
        status = None if record is None else Status.from_json(record, path=folder.path)
    except VqxError:
        return None
    times = () if status is None else (status.heartbeat, status.eta_seconds or 0.0)
    return status if all(map(math.isfinite, times)) else None


def _state(
    folder: RunFolder, status: Status | None, result: dict[str, Any] | None, now: float
) -> tuple[State, str]:
    """State and note. A result means done, whatever happened to the status after it."""
    if result is not None:
        collapsed = status is not None and status.state == State.COLLAPSED
        return (State.COLLAPSED, status.message) if collapsed and status else (State.DONE, "")
    if status is None:
        return State.QUEUED, "no status yet"
    if status.state == State.RUNNING:
        return _alive(folder, status, now)
    if status.state in (State.DONE, State.COLLAPSED):
        return State.FAILED, "its result.json is gone: run it again"
    return status.state, status.message or _last_line(folder.error)


def _alive(folder: RunFolder, status: Status, now: float) -> tuple[State, str]:
    """Whether a run that says it is running does: by its lock, its claim and its heartbeat."""
    found = _newest_claim(folder.path)
    touched = status.heartbeat if found is None else max(status.heartbeat, found.touched)
    stale = now - touched > STALE_SECONDS
    silent = f"{_SILENT} for {duration(now - status.heartbeat)}"
    try:
        held = is_held(folder.path)
    except (OSError, VqxError):
        held = not stale  # no locks here: the heartbeat alone tells
    if held:
        return (
            State.RUNNING,
            f"{silent}: it may hang" if now - status.heartbeat > STALE_SECONDS else "",
        )
    if error := _last_line(folder.error):
        return State.FAILED, error
    # A lock taken on another host may be invisible here, so there a fresh heartbeat counts.
    if not stale and _may_be_elsewhere(found, status):
        return State.RUNNING, ""
    return State.INTERRUPTED, silent if stale else f"its process {status.pid} is gone"


def _newest_claim(path: Path) -> Found | None:
    try:
        return newest_claim(path)
    except OSError:
        return None


def _may_be_elsewhere(found: Found | None, status: Status) -> bool:
    """Whether a run without a lock may be held where locks are not seen from here."""
    if found is None:  # of a version without claims
        return status.host != socket.gethostname()
    if found.released:
        return False
    return found.owner is None or not Owner().shares_locks_with(found.owner)


def _last_line(path: Path) -> str:
    """The exception's own line at the end of a traceback, or nothing."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    plain = [line for line in lines if line.strip() and not line.startswith((" ", "\t"))]
    return plain[-1] if plain else ""
