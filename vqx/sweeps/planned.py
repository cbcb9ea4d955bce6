"""One job of a sweep as planned: what it would run, where, and whether it is to run at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from vqx.runs.folder import RunFolder


class Action(StrEnum):
    """What a sweep does about one of its jobs."""

    RUN = "run"  # new, queued without a live job, interrupted, or stale
    DUPLICATE = "duplicate"  # the same run stands earlier in the sweep
    DONE = "done"
    COLLAPSED = "collapsed"  # a result, kept
    DIVERGED = "diverged"  # a result, kept
    FAILED = "failed"  # retried only when asked
    RUNNING = "running"  # locked, or with a live heartbeat or scheduler job
    WAITING = "waiting"  # queued in a scheduler
    REFUSED = "refused"  # its configuration cannot be run; `note` says why


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedJob:
    """A job of a sweep; `config` and `folder` are None when it is refused.

    `config` is plain, resolved and without the sweep's options; `note` says why in a few words;
    `slurm_is_silent` when it waits only because Slurm cannot be asked about it.
    """

    overrides: tuple[str, ...]
    config: Mapping[str, Any] | None
    folder: RunFolder | None
    action: Action
    note: str = ""
    slurm_is_silent: bool = False
