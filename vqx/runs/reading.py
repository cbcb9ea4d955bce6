"""Run folders read back: what a run is, and its state as a reader can tell, not as it last said."""

import glob
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqx.errors import VqxError
from vqx.runs.durations import duration
from vqx.runs.folder import RunFolder, read_json
from vqx.runs.lock import is_held
from vqx.runs.ownership import STALE_SECONDS, Found, Owner, newest_claim
from vqx.runs.status import State, Status


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
    folder = RunFolder(path)
    try:
        config = _read_yaml(folder.config) if config is None else config
    except VqxError as error:
        return Skipped(path, str(error))
    slug, _, signature = path.resolve().name.rpartition("-")
    status, status_fault = _tolerant(folder.status)
    result, result_fault = _tolerant(folder.result)
    environment, _ = _tolerant(folder.environment)
    known = _status(folder, status)
    state, note = _state(folder, known, result, time.time() if now is None else now)
    fault = result_fault or (status_fault if result is None else "")
    return Run(
        folder=folder,
        slug=slug or signature,
        signature=signature,
        config=config,
        status=known,
        result=result,
        environment=environment or {},
        state=State.FAILED if result_fault else state,
        note=fault or note,
    )


def read_runs(places: Iterable[str]) -> tuple[list[Run], list[Skipped]]:
    """Runs in folders of runs, in run folders, or in either by glob pattern; sorted by path.

    A run met twice, by path or as a copy in another place, is read once: a copy is no second seed.
    """
    runs: dict[str, Run] = {}
    skipped: list[Skipped] = []
    for path in run_folders(places):
        found = read_run(path)
        if isinstance(found, Skipped):
            skipped.append(found)
        elif (twin := runs.get(name := path.resolve().name)) is None:
            runs[name] = found
        else:
            kept, other = (found, twin) if found.result and not twin.result else (twin, found)
            runs[name] = kept
            skipped.append(Skipped(other.folder.path, f"the same run as {kept.folder.path}"))
    return list(runs.values()), skipped


def run_folders(places: Iterable[str]) -> list[Path]:
    """Folders in folders of runs, and run folders themselves, as they are or by glob pattern."""
    found: dict[Path, Path] = {}
    for place in places:
        for text in sorted(glob.glob(str(Path(place).expanduser()))):
            path = Path(text)
            alone = (path / "config.yaml").exists()
            for folder in [path] if alone else sorted(_folders(path)):
                found.setdefault(folder.resolve(), folder)
    return list(found.values())


def _folders(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    return [p for p in path.iterdir() if p.is_dir() and not p.name.startswith((".", "_"))]


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        text = path.read_text()
    except FileNotFoundError as error:
        raise VqxError("no config.yaml: not a run folder, or one that never started") from error
    except (OSError, UnicodeDecodeError) as error:
        raise VqxError(f"config.yaml cannot be read ({error})") from error
    try:
        # The C parser is ten times as fast, but not in every build of the package.
        config = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        first = str(error).splitlines()[0]
        raise VqxError(f"config.yaml is damaged ({first})") from error
    if not isinstance(config, dict):
        raise VqxError("config.yaml is damaged (no keys in it)")
    return config


def _tolerant(path: Path) -> tuple[dict[str, Any] | None, str]:
    """A JSON object or None, and what is wrong with the file if something is."""
    try:
        return read_json(path), ""
    except VqxError as error:
        return None, str(error)
    except OSError as error:
        return None, f"{path} cannot be read ({error.strerror})"


def _status(folder: RunFolder, record: dict[str, Any] | None) -> Status | None:
    try:
        return None if record is None else Status.from_json(record, path=folder.status)
    except VqxError:
        return None


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
    silent = f"no heartbeat for {duration(now - status.heartbeat)}"
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
