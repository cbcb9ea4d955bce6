"""What a run is said to do: by its folder, and by Slurm where that knows more."""

import fcntl
import os
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.runs.synthetic import config_of, write_run
from tests.watching.sweep_of_every_state import SLURM, submit, write_sweep
from vqx.errors import SlurmUnreachable
from vqx.runs.status import State
from vqx.sweeps.slurm import SlurmJob
from vqx.watching import scheduler
from vqx.watching.entry import Entry
from vqx.watching.states import Stage
from vqx.watching.watcher import Place, Watcher


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Slurm's answers come from SLURM; what it was asked is kept."""
    questions: list[list[str]] = []

    def answer(ids: list[str]) -> Mapping[str, SlurmJob]:
        questions.append(list(ids))
        return {key: job for key, job in SLURM.items() if key in ids}

    monkeypatch.setattr(scheduler, "slurm_jobs", answer)
    return questions


def test_a_queued_run_whose_sweep_was_killed_is_lost(tmp_path: Path) -> None:
    here = socket.gethostname()
    path = write_run(tmp_path, config_of(), state=State.QUEUED, host=here, pid=7, step=0)
    queue = tmp_path / f".queue-{here}-7"
    watcher = Watcher(lambda: [Place(path)])
    with queue.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert _stages(watcher.look()) == ["queued"]
    (entry,) = watcher.look()
    assert (entry.stage.value, entry.note) == ("lost", "its sweep is gone: start it again")
    assert queue.exists()


def _stages(entries: list[Entry]) -> list[str]:
    return [entry.stage.value for entry in entries]


def test_without_slurm_the_folders_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def nothing(ids: object) -> None:
        calls.append(ids)
        raise SlurmUnreachable("squeue is not here")

    monkeypatch.setattr(scheduler, "slurm_jobs", nothing)
    places = write_sweep(tmp_path)
    watcher = Watcher(lambda: places)
    entries = watcher.look()
    assert _stages(entries) == [
        *("running", "queued", "queued", "interrupted", "failed", "diverged", "interrupted"),
        *("done", "missing", "refused"),
    ]
    watcher.look()
    assert len(calls) == 1  # not asked again at once
    assert watcher.scheduler.fault == "squeue is not here"
    first = entries[0]
    assert (first.step, first.steps, first.eta_seconds, first.restarts) == (300, 800, 125.0, 2)
    assert (first.loss, first.evaluate["psnr"], first.job_id, first.node) == (
        *(0.0123, 23.4567, "12_0", "n1"),
    )
    assert entries[4].note == "RuntimeError: out of memory"
    assert entries[6].note == "no heartbeat for 15 min"
    assert entries[9].note == "no such seed"


def test_slurm_says_more(tmp_path: Path, asked: list[list[str]]) -> None:
    places = write_sweep(tmp_path)
    watcher = Watcher(lambda: places)
    entries = watcher.look()
    assert _stages(entries)[:8] == [
        *("running", "queued", "cancelled", "requeued", "failed", "diverged", "interrupted"),
        "done",
    ]
    assert entries[1].note == "Slurm: PENDING (Resources)"
    assert entries[2].note == "Slurm: CANCELLED by 0: start the sweep again"
    assert entries[3].note == "Slurm: PENDING (BeginTime)"
    assert entries[0].note == ""
    assert entries[6].note == "no heartbeat for 15 min"
    watcher.look()
    assert asked == [["12_0", "12_1", "12_2", "12_3", "12_6"]]  # of what is over nothing is asked


@pytest.mark.parametrize(
    ("state", "slurm", "stage", "note"),
    [
        (State.QUEUED, SlurmJob("9", "RUNNING", "n2"), Stage.STARTING, "Slurm: RUNNING"),
        (State.QUEUED, None, Stage.LOST, "Slurm knows no such job: start the sweep again"),
        (State.QUEUED, SlurmJob("9", "FAILED", "n2"), Stage.LOST, "Slurm: FAILED: start"),
        (State.RUNNING, SlurmJob("9", "COMPLETING", "n2"), Stage.RUNNING, "Slurm: COMPLETING"),
        (State.RUNNING, SlurmJob("9", "RUNNING", "n2"), Stage.RUNNING, ""),
        (State.INTERRUPTED, SlurmJob("9", "RUNNING", "n2"), Stage.STARTING, "Slurm: RUNNING"),
        (State.INTERRUPTED, None, Stage.INTERRUPTED, "why"),
    ],
)
def test_what_slurm_adds(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: State,
    slurm: SlurmJob | None,
    stage: Stage,
    note: str,
) -> None:
    message = "why" if state == State.INTERRUPTED else ""
    path = write_run(tmp_path, config_of(), state=state, job_id="9", message=message)
    submit(path, "9")
    monkeypatch.setattr(scheduler, "slurm_jobs", lambda ids: {"9": slurm} if slurm else {})
    (entry,) = Watcher(lambda: [Place(path)]).look()
    assert entry.stage == stage
    assert entry.note.startswith(note)
    assert bool(entry.note) == bool(note)


def test_changes_are_seen_and_nothing_else_is_read(
    tmp_path: Path, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_run(tmp_path, config_of(), state=State.QUEUED)
    monkeypatch.setattr("vqx.watching.watcher.is_queue_alive", lambda *_: True)
    watcher = Watcher(lambda: [Place(path)])
    assert _stages(watcher.look()) == ["queued"]
    read: list[Path] = []
    real = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda p, *a, **k: read.append(p) or real(p, *a, **k))
    watcher.look()
    assert read == []
    other = write_run(tmp_path / "other", config_of(), state=State.FAILED, message="no")
    os.replace(other / "status.json", path / "status.json")
    (entry,) = watcher.look()
    assert (entry.stage, entry.note) == (Stage.FAILED, "no")
    assert path / "config.yaml" not in read
