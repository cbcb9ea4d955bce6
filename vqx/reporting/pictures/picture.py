"""A picture, what it does not show and why, and its files: the same bytes every time."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqx.errors import ConfigError, VqxError
from vqx.reporting.frame import Row, seed_of
from vqx.reporting.notes import Note
from vqx.reporting.pictures.style import look
from vqx.runs.files import atomic_file
from vqx.runs.reading import Run

# No date, no version of Matplotlib: a picture made again has the same bytes.
_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}


class NothingToDraw(ConfigError):
    """A picture for which no row has what it shows."""


@dataclass(frozen=True, slots=True)
class Omission:
    """A row, or runs of it, that a picture cannot show; `reason` is a clause."""

    label: str
    reason: str


def run_omissions(row: Row, found: Sequence[tuple[Run, str]]) -> list[Omission]:
    """Runs of `row` that cannot be shown, gathered by reason: by seeds, or the row if it is all."""
    by_reason: dict[str, list[Run]] = {}
    for run, reason in found:
        by_reason.setdefault(reason, []).append(run)
    omissions = []
    for reason, runs in by_reason.items():
        seeds = [str(seed) for run in runs if (seed := seed_of(run)) is not None]
        plural = "s" if len(seeds) > 1 else ""
        which = f" seed{plural} {', '.join(seeds)}" if seeds and len(runs) < len(row.runs) else ""
        omissions.append(Omission(f"{row.label}{which}", reason))
    return omissions


@dataclass(frozen=True, slots=True)
class Picture:
    """A matplotlib Figure and what its reader should know; `dpi`: of its PNG."""

    figure: Any
    notes: tuple[Note, ...] = ()
    dpi: float = 300


def omission_notes(picture: str, omissions: Iterable[Omission]) -> tuple[Note, ...]:
    """A note for each reason, with the names of all rows that it keeps out of `picture`."""
    by_reason: dict[str, list[str]] = {}
    for omission in omissions:
        labels = by_reason.setdefault(omission.reason, [])
        if omission.label not in labels:
            labels.append(omission.label)
    return tuple(
        Note(f"picture {picture}", f"without {'; '.join(labels)}: {reason}")
        for reason, labels in by_reason.items()
    )


def nothing(picture: str, omissions: Sequence[Omission]) -> NothingToDraw:
    """The error for a picture that nothing can be shown in."""
    reasons = "; ".join(dict.fromkeys(f"{o.label}: {o.reason}" for o in omissions[:3]))
    more = f"; and {len(omissions) - 3} more" if len(omissions) > 3 else ""
    return NothingToDraw(f"picture {picture}: nothing to draw ({reasons or 'no rows'}{more})")


def save(picture: Picture, out: Path, name: str) -> tuple[list[Path], list[Note]]:
    """Write NAME.png and NAME.svg into `out`; paths, and what to know of the files."""
    paths = [out / f"{name}.{kind}" for kind in _METADATA]
    missing = False
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VqxError(f"cannot write in {out} ({error.strerror}): give out=...") from error
    for path, (kind, metadata) in zip(paths, _METADATA.items(), strict=True):
        with look(), warnings.catch_warnings(record=True) as met, atomic_file(path) as file:
            warnings.simplefilter("always")
            picture.figure.savefig(file, format=kind, dpi=picture.dpi, metadata=metadata)
        missing = missing or any("missing from" in str(warning.message) for warning in met)
    text = "letters that DejaVu Sans lacks are boxes in the PNG; the SVG has them"
    return paths, [Note(f"picture {name}", text)] if missing else []
