"""What became of a sweep's jobs, read from their folders."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from vqx.sweeps.classification import Slurm, classify
from vqx.sweeps.planned import Action, PlannedJob

# Results, and what others are at: no failure of this sweep.
_FINE = (
    Action.DONE,
    Action.COLLAPSED,
    Action.DIVERGED,
    Action.RUNNING,
    Action.WAITING,
    Action.DUPLICATE,
)
_WORDS = {
    Action.DONE: "done",
    Action.COLLAPSED: "collapsed",
    Action.DIVERGED: "diverged",
    Action.FAILED: "failed",
    Action.RUN: "not finished",
    Action.RUNNING: "running elsewhere",
    Action.WAITING: "waiting elsewhere",
}


def look_again(jobs: Sequence[PlannedJob]) -> list[PlannedJob]:
    """The rows of a sweep, each once, as their folders say now."""
    rows = [job for job in jobs if job.folder is not None and job.action is not Action.DUPLICATE]
    slurm = Slurm.of(job.folder for job in rows if job.folder is not None)
    found = []
    for job in rows:
        assert job.folder is not None
        assert job.config is not None
        action, note = classify(job.folder, job.config, slurm)
        found.append(replace(job, action=action, note=note))
    return found


def account_lines(name: str, rows: Sequence[PlannedJob]) -> list[str]:
    """Counts of states, and each row that is not done with its state, folder and note."""
    counts = Counter(row.action for row in rows)
    text = ", ".join(
        f"{counts[action]} {word}" for action, word in _WORDS.items() if counts[action]
    )
    lines = [f"sweep {name}: {text}"]
    for row in rows:
        if row.action is not Action.DONE and row.folder is not None:
            note = f": {row.note}" if row.note else ""
            lines.append(f"  {_WORDS[row.action]}: {row.folder.path}{note}")
    return lines


def exit_code(rows: Sequence[PlannedJob]) -> int:
    """1 if a row failed or was not brought to its end, else 0."""
    return 0 if all(row.action in _FINE for row in rows) else 1
