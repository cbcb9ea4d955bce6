"""One row of the live table: a run, its last numbers, its job."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqx.reporting.columns import Column
from vqx.runs.folder import RunFolder
from vqx.runs.reading import Run
from vqx.runs.status import State
from vqx.sweeps.submission import Submission
from vqx.watching.states import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A run as watched. Without a folder `run` is None; without a submission so is that.

    `train` and `evaluate` are the last lines of metrics.jsonl of their kind, {} without any.
    `overrides` name one that has no configuration.
    """

    config: Mapping[str, Any]
    folder: RunFolder | None
    run: Run | None
    submission: Submission | None
    train: Mapping[str, Any]
    evaluate: Mapping[str, Any]
    stage: Stage
    note: str
    slurm_node: str = ""
    overrides: tuple[str, ...] = ()

    @property
    def job_id(self) -> str:
        """The scheduler's id of the job that has or had the run, "" for none."""
        return job_id_of(self.run, self.submission) or ""

    @property
    def node(self) -> str:
        """Where it runs, or ran last."""
        status = self.run.status if self.run else None
        if status is None or status.state == State.QUEUED:
            return self.slurm_node
        return self.slurm_node or getattr(status, "node", None) or status.host

    @property
    def steps(self) -> int:
        """Optimizer steps of the whole run, 0 when not known."""
        status = self.run.status if self.run else None
        planned = (self.config.get("trainer") or {}).get("steps")
        return (status.steps if status else 0) or (planned if isinstance(planned, int) else 0)

    @property
    def step(self) -> int:
        """Optimizer steps taken."""
        if self.run is None or self.run.status is None:
            return 0
        return self.steps if self.stage == Stage.DONE else self.run.status.step

    @property
    def eta_seconds(self) -> float | None:
        """Seconds until a running one is done as far as it knows, else None."""
        status = self.run.status if self.run else None
        return status.eta_seconds if status and self.stage == Stage.RUNNING else None

    @property
    def images_per_second(self) -> float | None:
        """Pace while running, and of the whole training afterwards."""
        if self.run is None:
            return None
        if self.run.result is not None:
            return (self.run.result.get("cost") or {}).get("images_per_second")
        status = self.run.status
        return status.images_per_second if status else None

    @property
    def restarts(self) -> int:
        """How often it was started again."""
        sessions = self.run.environment.get("sessions") if self.run else None
        return max(0, len(sessions) - 1) if isinstance(sessions, list) else 0

    @property
    def loss(self) -> float | None:
        """The training loss last logged."""
        return _number(self.train.get("loss"))

    def metric(self, column: Column) -> float | None:
        """A metric of the final result, else of the last evaluation; unscaled."""
        if self.run is not None and self.run.result is not None:
            return column.value(self.run.result)
        return _number(self.evaluate.get(column.key))

    @property
    def log(self) -> Path | None:
        """Where to read on when something is wrong: the job's log, the traceback, the folder."""
        if self.folder is None:
            return None
        written = [self.folder.error]
        if self.submission and self.submission.log:
            written.insert(0, Path(self.submission.log))
        return next((path for path in written if path.exists()), self.folder.path)


def job_id_of(run: Run | None, submission: Submission | None) -> str | None:
    """The Slurm job to ask about: of a running one its own, else the one submitted last."""
    own = run.status.job_id if run and run.status else None
    submitted = submission.job_id if submission and submission.launcher == "slurm" else None
    if run is not None and run.state == State.RUNNING:
        return own or submitted
    return submitted or own


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None  # type: ignore[arg-type]
