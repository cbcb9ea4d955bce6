"""What stands above and below a table: what the rows share, and what a reader must not miss."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from vqx.config import identity
from vqx.reporting.columns import Column
from vqx.reporting.frame import Frame, Row, seed_of
from vqx.reporting.naming import choice_name, flat_nodes
from vqx.reporting.numbers import numbers_of
from vqx.reporting.stamps import Stamps, images_in
from vqx.reporting.state_texts import state_texts
from vqx.reporting.surroundings import SURROUNDINGS, confounds, sessions_of, shared_text
from vqx.reporting.variants import masked_numbers, soft_numbers
from vqx.runs.reading import Run


@dataclass(frozen=True, slots=True)
class Note:
    """One note under a table: about whom, and what."""

    about: str
    text: str


def caption(frame: Frame) -> str:
    """What all runs share: data, model, steps, batch, values left unsaid, code, machine."""
    usual, common = (
        ", ".join(f"{key}={value}" for key, value in said.items())
        for said in (frame.unsaid, frame.common)
    )
    pieces = (
        _shared(frame.runs, _data),
        _model(frame.runs),
        _shared(frame.runs, training),
        common,
        f"unless named {usual}" if usual else None,
        *(shared_text(frame.rows, what) for what in SURROUNDINGS),
    )
    return " · ".join(piece for piece in pieces if piece)


def _shared(runs: Iterable[Run], read: Callable[[Run], str | None]) -> str | None:
    """What `read` gives for every run that has it, if it is one thing."""
    found = {text for run in runs if (text := read(run)) is not None}
    return found.pop() if len(found) == 1 else None


def _model(runs: Sequence[Run]) -> str | None:
    nodes = [run.config.get("model") for run in runs]
    if not nodes or any(node != nodes[0] for node in nodes):
        return None
    name = choice_name("model", flat_nodes(identity({"model": nodes[0]})))
    return f"{name} model" if name else None


def _data(run: Run) -> str | None:
    if run.result is None:
        return None
    data = run.result.get("data") or {}
    return f"{data.get('name')} ({data.get('split')}, {data.get('images', 0):,} images)"


def training(run: Run) -> str | None:
    """`3,600 steps of batch 32`, as far as the configuration says it."""
    trainer = run.config.get("trainer")
    if not isinstance(trainer, Mapping) or "steps" not in trainer:
        return None
    steps = trainer["steps"]
    length = f"{steps:,} steps" if isinstance(steps, int) else str(steps)
    return f"{length} of batch {trainer.get('batch_size')}"


def notes_of(
    rows: Sequence[Row], columns: Sequence[Column], stamps: Mapping[str, Stamps]
) -> list[Note]:
    """All notes, the most pressing first."""
    metrics = [column for column in columns if column.is_metric]
    return [
        *(Note(about, text) for about, text in state_texts(rows)),
        *_fault_notes(rows, metrics),
        *(Note("confound", text) for text in confounds(rows)),
        *(note for column in metrics for note in _missing_notes(column, rows)),
        *_stamp_notes(metrics, stamps),
        *_image_notes(rows),
    ]


def _fault_notes(rows: Sequence[Row], metrics: Sequence[Column]) -> list[Note]:
    """What a number alone does not tell: soft codes, masked images, images left out."""
    notes = []
    for row in rows:
        if row.discrete is False:
            text = "not discrete: trained on soft codes; all numbers are of decode(codes)"
            notes.append(Note(row.label, text + soft_numbers(row, metrics)))
        if masked := masked_numbers(row, metrics):
            notes.append(Note(row.label, masked))
        notes += [Note(row.label, met) for run in row.runs if (met := _changed(run))]
        if left_out := {len((r.get("data") or {}).get("left_out") or []) for r in row.results} - {
            0
        }:
            count = " or ".join(map(str, sorted(left_out)))
            notes.append(Note(row.label, f"{count} unreadable images left out of the evaluation"))
    return notes


def _changed(run: Run) -> str | None:
    """What a job of a sweep met changed at its start, and was told to run nevertheless."""
    key = "changed_since_submission"
    found = dict.fromkeys(str(what) for s in sessions_of(run) for what in s.get(key) or ())
    seed = f"seed {seed_of(run)} " if seed_of(run) is not None else ""
    return f"{seed}ran although changed since its submission: {', '.join(found)}" if found else None


def _missing_notes(column: Column, rows: Sequence[Row]) -> list[Note]:
    """Why a metric is not there, and how to get it."""
    if column.by_nature:
        return []
    reasons: dict[str, dict[str, None]] = {}
    for row in rows:
        numbers = zip(row.runs, numbers_of(column, row), strict=True)
        lacking = [run.result for run, n in numbers if n is None and run.result is not None]
        for result in lacking:
            text = (result.get("missing") or {}).get(column.key, "not measured by this run")
            label = row.label if len(lacking) == len(row.results) else f"some seeds of {row.label}"
            reasons.setdefault(str(text), {})[label] = None
    with_results = [row for row in rows if row.results]
    return [
        Note(column.title, f"missing{_in([*labels], with_results)}: {reason}")
        for reason, labels in reasons.items()
    ]


def _in(labels: Sequence[str], rows: Sequence[Row]) -> str:
    return "" if len(labels) == len(rows) else f" in {', '.join(labels)}"


def _image_notes(rows: Sequence[Row]) -> list[Note]:
    """What all rows were measured on; where they differ, each metric's stamp says it."""
    images = images_in(rows)
    return [Note("images", images[0])] if len(images) == 1 else []


def _stamp_notes(columns: Sequence[Column], stamps: Mapping[str, Stamps]) -> list[Note]:
    """The protocol of each metric; equal protocols are said once."""
    plain: dict[str, list[str]] = {}
    mixed = []
    for column in columns:
        letters = stamps[column.key].letters
        if len(letters) == 1:
            plain.setdefault(next(iter(letters)), []).append(column.title)
        elif letters:
            text = "; ".join(f"{letter} {stamp}" for stamp, letter in letters.items())
            mixed.append(Note(column.title, f"measured differently, so no best is marked: {text}"))
    return [*mixed, *(Note(", ".join(titles), stamp) for stamp, titles in plain.items())]
