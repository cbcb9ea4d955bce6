"""A sweep with a run at each stage, as folders and as Slurm's answer."""

import json
import time
from pathlib import Path

from tests.runs.synthetic import config_of, environment_of, write_run
from vqx.runs.folder import RunFolder
from vqx.runs.status import State
from vqx.sweeps.slurm import SlurmJob
from vqx.sweeps.submission import Submission, write_submission
from vqx.watching.watcher import Place

TRAIN = {"kind": "train", "step": 300, "loss": 0.0123}
EVALUATE = {"kind": "evaluate", "step": 200, "psnr": 23.4567, "usage": 0.5, "loss": 9.0}


def submit(path: Path, job_id: str) -> None:
    """As if Slurm had been given the run."""
    record = Submission(launcher="slurm", job_id=job_id, log=f"{job_id}.out", sweep="s", code="")
    write_submission(RunFolder(path), record)


def write_sweep(runs: Path) -> list[Place]:
    """Seeds 0 to 9 of one quantizer; those at a stage that only Slurm knows look queued."""
    here = {"host": "n1"}
    rate = {"eta_seconds": 125.0, "images_per_second": 390.4, "step": 300}
    states = {
        0: {"state": State.RUNNING, **rate, **here},
        1: {"state": State.QUEUED, "step": 0},
        2: {"state": State.QUEUED, "step": 0},
        3: {"state": State.INTERRUPTED, "step": 400, **here, "message": "stopped by signal 12"},
        4: {"state": State.FAILED, "step": 7, **here, "message": "RuntimeError: out of memory"},
        5: {"state": State.DIVERGED, "step": 9, **here, "message": "the loss became NaN"},
        6: {"state": State.RUNNING, "step": 100, **here, "heartbeat": time.time() - 900},
        7: {"state": State.DONE, **here},
    }
    places = []
    for seed, status in states.items():
        environment = environment_of(sessions=[{}, {}, {}]) if seed == 0 else None
        own = {**status, "job_id": None if status["state"] == State.QUEUED else f"12_{seed}"}
        path = write_run(runs, config_of(seed=seed), environment=environment, **own)
        places.append(Place(path, config_of(seed=seed)))
        submit(path, f"12_{seed}")
    lines = "".join(json.dumps(record) + "\n" for record in (EVALUATE, TRAIN))
    (places[0].path / "metrics.jsonl").write_text(lines)  # type: ignore[operator]
    missing = Place(runs / "fsq-missing", config_of(seed=8))
    return [*places, missing, Place(None, overrides=("seed=9",), refused="no such seed")]


SLURM = {
    "12_0": SlurmJob("12_0", "RUNNING", "n1"),
    "12_1": SlurmJob("12_1", "PENDING", "", "Resources"),
    "12_2": SlurmJob("12_2", "CANCELLED by 0"),
    "12_3": SlurmJob("12_3", "PENDING", "", "BeginTime"),
}
