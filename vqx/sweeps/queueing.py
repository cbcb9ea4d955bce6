"""Folders of the runs that a sweep is about to start: each says what it is and that it waits."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from vqx.errors import RunLocked, VqxError
from vqx.runs.files import space_for
from vqx.runs.folder import RunFolder
from vqx.runs.lock import RunLock
from vqx.runs.status import State, Status
from vqx.sweeps.planned import Action, PlannedJob

# Ten times as fast, but not in every build of the package.
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def queue_runs(jobs: Sequence[PlannedJob]) -> None:
    """Write config.yaml, overrides.yaml and a queued status for those of `jobs` that are to run.

    Checkpoints and metrics of an earlier session stay, and so does the step it had come to. A run
    that another process has taken meanwhile is left alone. Raises VqxError when the disk is full.
    """
    for job in jobs:
        if job.action is not Action.RUN or job.folder is None or job.config is None:
            continue
        if not job.folder.path.exists():
            job.folder.path.mkdir(parents=True, exist_ok=True)
            _queue(job.folder, job.config, job.overrides)
            continue
        try:
            with RunLock(job.folder.path):
                _queue(job.folder, job.config, job.overrides)
        except RunLocked:
            continue


def _queue(folder: RunFolder, config: Mapping[str, Any], overrides: Sequence[str]) -> None:
    if folder.is_done:
        return
    status = Status(state=State.QUEUED)
    try:
        before = folder.read_status()
    except VqxError:
        before = None
    if before is not None:
        status = replace(status, step=before.step, steps=before.steps)
    folder.clear_error()
    folder.submission.unlink(missing_ok=True)  # whatever had it before is gone
    _replace(folder.config, _yaml(dict(config)))
    _replace(folder.overrides, _yaml(list(overrides)))
    folder.write_status(status)


def _yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=_DUMPER, sort_keys=False, allow_unicode=True)


def _replace(path: Path, text: str) -> None:
    """Write `path` in one step but without waiting for the disk: a thousand folders would."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with space_for(path):
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
