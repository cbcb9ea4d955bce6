"""What a reader must know of rows that are not plainly done, in words."""

from collections.abc import Iterable, Sequence

from vqx.reporting.frame import Row, seed_of, state_word
from vqx.runs.durations import duration
from vqx.runs.reading import Run
from vqx.runs.status import State, Status


def state_texts(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Labels and what became of their runs; rows of which the same is to be said are named once."""
    seeds = _expected_seeds(rows)
    found: dict[str, list[str]] = {}
    for row in rows:
        if text := _row_text(row, seeds):
            found.setdefault(text, []).append(row.label)
    return [(", ".join(labels), text) for text, labels in found.items()]


def _row_text(row: Row, expected: Sequence[int]) -> str:
    present = {seed_of(run) for run in row.runs}
    said: dict[str, list[int | None]] = {}
    for run in row.runs:
        if run.state != State.DONE or run.note:
            said.setdefault(_state(run), []).append(seed_of(run))
    if absent := [seed for seed in expected if seed not in present]:
        said["missing: not started"] = list(absent)
    return "; ".join(f"{_seeds(seeds)}{text}" for text, seeds in said.items())


def _seeds(seeds: Iterable[int | None]) -> str:
    known = [str(seed) for seed in seeds if seed is not None]
    return f"seed{'s' if len(known) > 1 else ''} {', '.join(known)} " if known else ""


def _expected_seeds(rows: Sequence[Row]) -> list[int]:
    """Seeds of at least half of the rows: those of fewer were not asked for everywhere."""
    if all(len(row.runs) == 1 for row in rows):
        return []
    seeds = [{seed for run in row.runs if (seed := seed_of(run)) is not None} for row in rows]
    return [
        seed
        for seed in sorted(set().union(*seeds))
        if 2 * sum(seed in own for own in seeds) >= len(rows)
    ]


_NOT_STARTED = ("", "no status yet", "not started")


def _state(run: Run) -> str:
    """`failed: RuntimeError: out of memory (results/runs/...)`."""
    if state_word(run) == "missing":
        why = "" if run.note in _NOT_STARTED else f": {run.note.splitlines()[0][:300]}"
        return f"missing{why} ({run.folder.path})"
    if run.state == State.QUEUED:
        return f"missing: queued{', ' + run.note if run.note else ''}"
    status = run.status
    note = run.note.splitlines()[0][:300] if run.note else ""
    if run.state == State.RUNNING and status is not None:
        left = "" if status.eta_seconds is None else f", {duration(status.eta_seconds)} left"
        job = f", SLURM job {status.job_id}" if status.job_id else ""
        said = f"; {note}" if note else ""
        return f"running: {_step(status)}{left}, on {status.host}{job}{said}"
    at = "at " if status is not None and status.steps else ""
    step = f" {at}{_step(status)}" if status is not None else ""
    step = "" if run.state == State.COLLAPSED else step
    return f"{state_word(run)}{step}{': ' + note if note else ''} ({run.folder.path})"


def _step(status: Status) -> str:
    """How far a run is; the number of its steps is not known until its data are."""
    known = f"step {status.step:,} of {status.steps:,}"
    return known if status.steps else "before its first step"
