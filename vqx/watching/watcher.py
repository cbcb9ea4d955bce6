"""Looks at run folders again and again, reading only what has changed."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vqx.errors import VqxError
from vqx.runs.folder import RunFolder
from vqx.runs.reading import Run, Skipped, read_run
from vqx.runs.status import State
from vqx.sweeps.locking import is_queue_alive
from vqx.sweeps.slurm import SlurmJob
from vqx.sweeps.submission import Submission, read_submission
from vqx.watching.entry import Entry, job_id_of
from vqx.watching.scheduler import Scheduler
from vqx.watching.states import Stage, stage_of
from vqx.watching.tail import MetricsTail

Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run is or will be, and for one of a sweep what it is to be.

    `refused` says why the sweep cannot run it; then it has no folder.
    """

    path: Path | None
    config: Mapping[str, Any] | None = None
    overrides: tuple[str, ...] = ()
    refused: str = ""


@dataclass(slots=True)
class _Known:
    """What the last looks at one folder gave."""

    stamp: Stamp = ()
    config: dict[str, Any] | None = None
    run: Run | Skipped | None = None
    submission: Submission | None = None
    tail: MetricsTail | None = None


@dataclass(slots=True)
class Watcher:
    """Entries of the places that `places` names at each look; Slurm is asked by `scheduler`."""

    places: Callable[[], Sequence[Place]]
    scheduler: Scheduler = field(default_factory=Scheduler)
    _known: dict[Path, _Known] = field(default_factory=dict)
    _queues: dict[tuple[Path, str, int], bool] = field(default_factory=dict)

    def look(self, *, now: float | None = None) -> list[Entry]:
        """The runs as they are now, in the order of their places."""
        now = time.time() if now is None else now
        self._queues.clear()
        places = list(self.places())
        for place in places:
            if place.path is not None:
                self._read(place.path, now)
        jobs = self.scheduler.jobs(self._job_ids(places), now=now)
        entries = (self._entry(place, jobs) for place in places)
        return [entry for entry in entries if entry is not None]

    def _read(self, path: Path, now: float) -> None:
        known = self._known.setdefault(path, _Known())
        folder = RunFolder(path)
        stamp = _stamp(folder)
        if not stamp[0]:
            self._known[path] = _Known(stamp=stamp)
            return
        changed = stamp != known.stamp
        if changed:
            if stamp[:1] != known.stamp[:1]:
                known.config = None
            known.submission = _tolerant_submission(folder)
        # Whether a running one still does is told by its lock and by the time.
        live = isinstance(known.run, Run) and known.run.state == State.RUNNING
        if changed or live or known.run is None:
            known.run = read_run(path, now=now, config=known.config)
            known.config = known.run.config if isinstance(known.run, Run) else None
        known.tail = known.tail or MetricsTail(folder.metrics)
        if isinstance(known.run, Run) and (changed or live):
            known.tail.update()
        known.stamp = stamp

    def _job_ids(self, places: Sequence[Place]) -> set[str]:
        """Jobs whose run is not over: of the others Slurm has nothing to tell."""
        ids = set()
        for place in places:
            known = self._known.get(place.path) if place.path else None
            run = known.run if known else None
            if known and isinstance(run, Run) and run.state in _UNENDED:
                ids.add(job_id_of(run, known.submission) or "")
        return ids - {""}

    def _entry(self, place: Place, jobs: Mapping[str, SlurmJob] | None) -> Entry | None:
        known = self._known.get(place.path) if place.path else None
        run = known.run if known else None
        if known is None or not isinstance(run, Run):
            return _planned(place, run if isinstance(run, Skipped) else None)
        job_id = job_id_of(run, known.submission)
        asked = jobs is not None and job_id is not None and run.state in _UNENDED
        job = jobs.get(job_id) if jobs is not None and job_id is not None else None
        stage, note = stage_of(run, job if asked else None, asked=asked)
        if stage == Stage.QUEUED and not job_id and self._is_left(run):
            stage, note = Stage.LOST, "its sweep is gone: start it again"
        last = known.tail.last if known.tail else {}
        return Entry(
            config=run.config,
            folder=run.folder,
            run=run,
            submission=known.submission,
            train=last.get("train", {}),
            evaluate=last.get("evaluate", {}),
            stage=stage,
            note=note,
            slurm_node=job.node if job and asked else "",
        )

    def _is_left(self, run: Run) -> bool:
        """Whether the process that queued a run, of no scheduler, will never come to it."""
        if run.status is None:
            return False
        queue = (run.folder.path.parent, run.status.host, run.status.pid)
        if queue not in self._queues:
            self._queues[queue] = is_queue_alive(*queue)
        return not self._queues[queue]


_UNENDED = frozenset({State.QUEUED, State.RUNNING, State.INTERRUPTED})


def _planned(place: Place, found: Skipped | None) -> Entry | None:
    """A run of a sweep that has no readable folder; None for a folder that is no run."""
    if place.config is None and not place.refused:
        return None
    unreadable = isinstance(found, Skipped) and place.path is not None
    stage = Stage.REFUSED if place.refused else Stage.FAILED if unreadable else Stage.MISSING
    note = place.refused or (found.reason if isinstance(found, Skipped) else "")
    return Entry(
        config=place.config or {},
        folder=RunFolder(place.path) if place.path else None,
        run=None,
        submission=None,
        train={},
        evaluate={},
        stage=stage,
        note=note,
        overrides=place.overrides,
    )


def _stamp(folder: RunFolder) -> Stamp:
    """Which versions of its files a folder holds, config.yaml first."""
    return tuple(
        _version(path)
        for path in (
            folder.config,
            folder.status,
            folder.result,
            folder.submission,
            folder.metrics,
            folder.environment,
            folder.error,
        )
    )


def _version(path: Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _tolerant_submission(folder: RunFolder) -> Submission | None:
    try:
        return read_submission(folder)
    except (OSError, VqxError):
        return None
