"""A run's codebook.npz: how often each code was used on the evaluation set, and the entries.

Axes: Q codebooks, K codes, E entries that were kept, D latent width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqx.reporting.frame import Row
from vqx.reporting.pictures.numbers import states
from vqx.reporting.pictures.picture import Omission, run_omissions
from vqx.runs.arrays import read_arrays
from vqx.runs.reading import Run

FILE = "codebook.npz"


@dataclass(frozen=True, slots=True)
class Codebook:
    """`counts` (Q, K) int64, None where there are too many codes to count; `entries` (Q, E, D)
    float64 of the `codes` (E,) int64, both None where a run kept none."""

    counts: NDArray[np.int64] | None
    entries: NDArray[np.float64] | None
    codes: NDArray[np.int64] | None


@dataclass(frozen=True, slots=True)
class RowCodebooks:
    """The readable codebooks of a row, in order of its seeds; `index`: its place among all rows."""

    row: Row
    index: int
    runs: tuple[Run, ...]
    codebooks: tuple[Codebook, ...]


def codebooks_of(rows: Sequence[Row], *, needs: str) -> tuple[list[RowCodebooks], list[Omission]]:
    """Codebooks that have `needs` ("counts" or "entries") row by row, and what is not there."""
    found: list[RowCodebooks] = []
    omissions: list[Omission] = []
    for index, row in enumerate(rows):
        kept: list[tuple[Run, Codebook]] = []
        missing: list[tuple[Run, str]] = []
        for run in row.runs:
            codebook = read_codebook(run)
            if isinstance(codebook, str):
                missing.append((run, codebook))
            elif reason := _lack(codebook, needs):
                missing.append((run, reason))
            else:
                kept.append((run, codebook))
        omissions += run_omissions(row, missing)
        if kept:
            runs, codebooks = zip(*kept, strict=True)
            found.append(RowCodebooks(row, index, runs, codebooks))
    return found, omissions


def read_codebook(run: Run) -> Codebook | str:
    """The codebook of a run, or why there is none: damage is no error of the report's."""
    path = run.folder.path / FILE
    if not path.exists():
        why = "a run of an older version" if run.result else states([run])
        return f"no {FILE} ({why})"
    arrays = read_arrays(path)
    if isinstance(arrays, str):
        return arrays
    counts, entries, codes = (arrays.get(key) for key in ("counts", "entries", "codes"))
    if fault := _fault(counts, entries, codes):
        return f"{FILE} is damaged ({fault})"
    return Codebook(
        None if counts is None else counts.astype(np.int64),
        None if entries is None else entries.astype(np.float64),
        None if codes is None else codes.astype(np.int64),
    )


def _fault(
    counts: NDArray[np.generic] | None,
    entries: NDArray[np.generic] | None,
    codes: NDArray[np.generic] | None,
) -> str:
    """What is wrong with the arrays, "" for nothing."""
    if counts is not None and (
        counts.ndim != 2 or counts.dtype.kind not in "iu" or not counts.size or counts.min() < 0
    ):
        return "counts are no table of numbers of times"
    if (entries is None) != (codes is None):
        return "entries without codes, or codes without entries"
    if entries is None or codes is None:
        return ""
    if entries.ndim != 3 or entries.dtype.kind != "f" or codes.shape != entries.shape[1:2]:
        return "entries and codes do not fit"
    if codes.dtype.kind not in "iu" or (codes.size and codes.min() < 0):
        return "codes are no codes"
    if counts is not None and codes.size and codes.max() >= counts.shape[1]:
        return "codes beyond the counts"
    return ""


def _lack(codebook: Codebook, needs: str) -> str:
    if codebook.counts is None:
        return "too many codes to count each"
    if not codebook.counts.any():
        return "no token was counted"
    if needs == "entries" and (codebook.entries is None or not codebook.entries.size):
        return f"no entries in {FILE}"
    return ""
