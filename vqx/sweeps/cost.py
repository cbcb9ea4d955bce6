"""What jobs of a sweep will take, told from finished runs in the same results folders."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqx.config import identity
from vqx.durations import steps_in
from vqx.errors import ConfigError, VqxError
from vqx.runs.reading import Run, read_runs
from vqx.sweeps.planned import PlannedJob

# What must be equal for one run to tell the time of another: beside these the quantizer and its
# knobs cost little.
_HEAVY = ("model", "loss", "data")
# Of the trainer, what changes neither a step's work nor its speed.
_FREE = (
    "steps",
    "learning_rate",
    "minimum_learning_rate",
    "warmup_steps",
    "decay",
    "betas",
    "weight_decay",
    "clip_norm",
    "pretraining_steps",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A run that tells how long others take; times in seconds."""

    config: Mapping[str, Any]
    device: str
    devices: int
    steps: int
    step_seconds: float
    evaluate_seconds: float


class Costs:
    """Expected seconds of jobs, on what most of the finished runs ran on unless they say cpu."""

    def __init__(self, finished: Iterable[Finished]) -> None:
        runs = list(finished)
        counted = Counter(run.device for run in runs).most_common(1)
        self._device = counted[0][0] if counted else ""
        self._alike: defaultdict[str, list[tuple[set[str], Finished]]] = defaultdict(list)
        for run in runs:
            key = _work(run.config, run.device, run.devices)
            self._alike[key].append((_settings(run.config), run))

    def device_of(self, job: PlannedJob) -> str:
        """What the seconds of `job` are counted on; "" when no finished run tells."""
        on_cpu = job.config is not None and job.config["trainer"].get("device") == "cpu"
        return "cpu" if on_cpu else self._device

    def __call__(self, job: PlannedJob) -> float | None:
        """Seconds that `job` still has to train and evaluate; None when no finished run tells.

        By the run that differs in the fewest keys among those with the same model, loss, data,
        trainer and device.
        """
        if job.config is None:
            return None
        trainer = job.config["trainer"]
        work = _work(job.config, self.device_of(job), int(trainer.get("devices", 1)))
        alike = self._alike.get(work)
        if not alike:
            return None
        mine = _settings(job.config)
        _, run = min(alike, key=lambda pair: len(mine ^ pair[0]))
        steps = _steps(trainer["steps"], run)
        if steps is None:
            return None
        left = max(0, steps - _steps_taken(job))
        every = trainer.get("evaluate_every")
        evaluations = 1 + (left - 1) // every if type(every) is int and left else 1
        return left * run.step_seconds + evaluations * run.evaluate_seconds


def finished_runs(jobs: Sequence[PlannedJob]) -> list[Finished]:
    """The finished runs in the results folders of `jobs`, by whatever sweep."""
    places = {str(Path(str(job.config["results"])) / "runs") for job in jobs if job.config}
    found = [_finished(run) for run in read_runs(sorted(places))[0]]
    return [run for run in found if run is not None]


def _finished(run: Run) -> Finished | None:
    cost = (run.result or {}).get("cost") or {}
    try:
        return Finished(
            config=run.config,
            device=str(cost["device"]),
            devices=int(cost["devices"]),
            steps=int(cost["steps"]),
            step_seconds=float(cost["train_seconds"]) / int(cost["steps"]),
            evaluate_seconds=float(cost["evaluate_seconds"]),
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None  # of an older version, or not ended by training


def _steps(wanted: Any, run: Finished) -> int | None:
    """Optimizer steps of a job; of epochs, by their length in `run`, which has the same data."""
    if type(wanted) is int:
        return wanted
    theirs = run.config["trainer"]["steps"]
    try:
        epochs = [steps_in(d, name="", steps_per_epoch=1e6) for d in (wanted, theirs)]
    except ConfigError:
        return None
    return None if type(theirs) is int else round(run.steps * epochs[0] / epochs[1])


def _steps_taken(job: PlannedJob) -> int:
    try:
        status = job.folder.read_status() if job.folder else None
    except VqxError:
        return 0
    return status.step if status else 0


def _work(config: Mapping[str, Any], device: str, devices: int) -> str:
    """What the time of a step depends on, as text: equal for equal work."""
    kept = identity(config)
    heavy = {key: kept.get(key) for key in _HEAVY}
    trainer = {k: v for k, v in (kept.get("trainer") or {}).items() if k not in _FREE}
    return json.dumps([heavy, trainer, device, devices], sort_keys=True, default=str)


def _settings(config: Mapping[str, Any]) -> set[str]:
    """Root keys with their values, for counting what differs."""
    return {f"{key}={json.dumps(v, sort_keys=True)}" for key, v in identity(config).items()}
