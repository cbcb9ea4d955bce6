"""Figures of the quantizers' benchmark beside what is wanted of them, as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from vqx.benchmarks.families import FAMILIES, Size
from vqx.benchmarks.measuring import Figures, Measured
from vqx.benchmarks.worker import Failure
from vqx.reporting.main_table import Cell, Table
from vqx.reporting.notes import Note

ABSENT = "-"
MIB = 1 << 20
MISS = " MISS"
SLACK = 8  # codebooks by which peak memory may grow with K: gradient, sums and their temporaries
ALIKE = 0.99  # less than this share of equal tokens: the two do not do the same

HEADER = (
    "quantizer",
    "ours ms",
    "LU ms",
    "LU / ours",
    "floor ms",
    "ours / floor",
    "ours MiB",
    "LU MiB",
    "ours / LU",
    "rounds",
    "note",
)

_LEGEND = (
    ("time", "forward, backward and codebook update of a training step, without an optimizer; the "
     "median of rounds, ratios are medians of ratios within a round, with the wanted ones"),
    ("LU", "vector-quantize-pytorch, options set to the same work (vqx/benchmarks/peers.py)"),
    ("floor", "the bare float32 product z E^T in blocks into one buffer, times the stages; for "
     "gumbel, entropy and ibq with both gradients (three products); for fsq and its kin tanh and "
     "round with their backward"),
    ("MiB", "peak of tensors held during the pass beyond inputs and parameters, with gradients"),
)  # fmt: skip
_FLAT = Note(
    "flat",
    f"wanted of the peaks below: MiB grows by at most {SLACK} codebooks of K x D float32 (those of "
    "all stages, at the largest K) from the smallest to the largest K; MISS: by more",
)


@dataclass(slots=True)
class Results:
    """Rows in order, and how many of the wanted figures were missed."""

    cells: dict[tuple[str, Size], Measured | Failure] = field(default_factory=dict)

    def table(self, caption: str) -> Table:
        """All of it as a table."""
        rows = tuple(_row(name, size, found) for (name, size), found in self.cells.items())
        flat = flatness(self.cells)
        texts = [cell.mark for row in rows for cell in row] + [note.text for note in flat]
        wanted = sum("(" in text for text in texts)
        missed = sum(text.endswith(MISS) for text in texts)
        notes = [Note(about, text) for about, text in _LEGEND]
        notes.append(Note("wanted", f"{missed} of {wanted} figures missed"))
        if flat:
            notes.append(_FLAT)
        return Table(caption, HEADER, rows, (*notes, *flat))


def _row(name: str, size: Size, found: Measured | Failure) -> tuple[Cell, ...]:
    label = f"{name}  {size}"
    if isinstance(found, Failure):
        return Cell(label), *[Cell(ABSENT)] * (len(HEADER) - 2), Cell(f"failed: {found.reason}")
    target, theirs = FAMILIES[name].target, found.theirs
    about = "~" if theirs is not None and theirs.foreseen else ""
    share = found.ours.peak / theirs.peak if theirs is not None else None
    notes = [found.note] if found.note else []
    if found.agreement is not None and found.agreement < ALIKE:
        notes.append(f"only {found.agreement:.1%} of tokens quantized alike")
    return (
        Cell(label),
        Cell(_milliseconds(found.ours.seconds)),
        Cell(about + _milliseconds(theirs.seconds) if theirs else ABSENT),
        _wanted(found.faster, target.faster, at_least=True, about=about),
        Cell(_milliseconds(found.floor)),
        _wanted(found.of_floor, target.of_floor),
        Cell(_mebibytes(found.ours)),
        Cell(about + _mebibytes(theirs) if theirs else ABSENT),
        _wanted(share, target.memory, about=about),
        Cell(str(found.rounds)),
        Cell("; ".join(notes)),
    )


def _wanted(
    value: float | None, wanted: float | None, *, at_least: bool = False, about: str = ""
) -> Cell:
    """A ratio, with what is wanted of it behind."""
    if value is None:
        return Cell(ABSENT)
    text = f"{about}{value:.3g}" if value < 100 else f"{about}{value:.0f}"
    if wanted is None:
        return Cell(text)
    missed = value < wanted if at_least else value > wanted
    return Cell(text, mark=f" ({'≥' if at_least else '≤'} {wanted:g}){MISS if missed else ''}")


def _milliseconds(seconds: float | None) -> str:
    if seconds is None:
        return ABSENT
    return f"{1e3 * seconds:,.3g}" if seconds < 0.1 else f"{1e3 * seconds:,.0f}"


def _mebibytes(figures: Figures) -> str:
    size = figures.peak / MIB
    return f"{size:,.2f}" if size < 10 else f"{size:,.0f}"


def flatness(cells: Mapping[tuple[str, Size], Measured | Failure]) -> list[Note]:
    """How peak memory grows with K, for families of which it is wanted that it does not."""
    measured = [
        (name, size, found)
        for (name, size), found in cells.items()
        if isinstance(found, Measured) and FAMILIES[name].target.flat
    ]
    measured.sort(key=lambda row: (list(FAMILIES).index(row[0]), row[1].tokens, row[1].width))
    notes = []
    for (name, tokens, width), rows in groupby(
        measured, key=lambda row: (row[0], row[1].tokens, row[1].width)
    ):
        by_codes = sorted((size.codes, found.ours.peak) for _, size, found in rows)
        if len(by_codes) > 1:
            stages = FAMILIES[name].stages
            notes.append(Note(f"{name}  N {tokens:,}  D {width}", _flat(by_codes, width, stages)))
    return notes


def _flat(by_codes: Sequence[tuple[int, int]], width: int, stages: int) -> str:
    (_, first), (codes, last) = by_codes[0], by_codes[-1]
    codebook = 4 * codes * width * stages
    peaks = ", ".join(f"{peak / MIB:,.1f} MiB at K {codes:,}" for codes, peak in by_codes)
    missed = last - first > SLACK * codebook
    return (
        f"peak {peaks}; codebook {codebook / MIB:,.1f} MiB "
        f"(growth ≤ {SLACK} codebooks){MISS if missed else ''}"
    )
