"""Folders of the runs that a sweep is about to start: each says what it is and that it waits."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from vqx.errors import RunLocked, TakenOver, VqxError
from vqx.runs.configuration import write_configuration
from vqx.runs.files import write_json_atomic
from vqx.runs.folder import RunFolder
from vqx.runs.lock import RunLock
from vqx.runs.status import State, Status
from vqx.sweeps.locking import make_folder
from vqx.sweeps.planned import Action, PlannedJob


def queue_runs(jobs: Sequence[PlannedJob]) -> None:
    """Write config.yaml, overrides.yaml and a queued status for those of `jobs` that are to run.

    Checkpoints and metrics of an earlier session stay, and so does the step it had come to. A run
    that another process has taken meanwhile is left alone. Raises VqxError when the disk is full.
    """
    for job in jobs:
        if job.action is not Action.RUN or job.folder is None or job.config is None:
            continue
        if not job.folder.path.exists():
            make_folder(job.folder.path)
            _queue(job.folder, job.config, job.overrides)
            continue
        try:
            with RunLock(job.folder.path) as lock:
                _queue(replace(job.folder, claim=lock.claim), job.config, job.overrides)
        except (RunLocked, TakenOver):
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
    # No waiting for the disk, a thousand times: what a power cut loses is planned again.
    write_configuration(folder, config, overrides=overrides, durable=False)
    write_json_atomic(folder.status, status.to_json(), check=folder.check, durable=False)
