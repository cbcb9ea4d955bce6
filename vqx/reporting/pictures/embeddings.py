"""Where the entries of each row's codebook lie, and which are used: PCA, UMAP beside it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqx.reporting.frame import Row, seed_of
from vqx.reporting.notes import Note
from vqx.reporting.pictures.codebook_file import RowCodebooks, codebooks_of
from vqx.reporting.pictures.lettering import log_axis, number, short_labels
from vqx.reporting.pictures.picture import Picture, nothing, omission_notes
from vqx.reporting.pictures.principal import principal_plane
from vqx.reporting.pictures.scatter import (
    FEWEST_UMAP,
    LARGEST_UMAP,
    find_umap,
    scatter_codes,
    umap_places,
)
from vqx.reporting.pictures.style import look, new_figure

NAME = "embeddings"
UMAP_MISSING = "PCA alone: pip install umap-learn puts UMAP beside it"
_COLUMNS = {"column": 2, "full": 4}
_LETTERS = 22
_SPAN = (0.1, 10.0)  # times even use that the colours tell apart
_POINTS = 4000  # in all panels; more are drawn as pixels in the SVG


def embeddings_picture(rows: Sequence[Row], *, width: str = "full") -> Picture:
    """The entries of each row's first codebook (of its lowest seed with a codebook.npz), coloured
    by use relative to even use, unused grey. Raises NothingToDraw where no run has entries.
    """
    found, omissions = codebooks_of(rows, needs="entries")
    if not found:
        raise nothing(NAME, omissions)
    umap = find_umap()
    # One seed a row is shown: where there is one, the others lack nothing.
    absent = [row for i, row in enumerate(rows) if i not in {one.index for one in found}]
    _, omissions = codebooks_of(absent, needs="entries")
    notes = [*omission_notes(NAME, omissions), *_notes(found, umap)]
    with look():
        figure = _draw(found, umap, width)
    return Picture(figure, tuple(notes))


def _notes(found: Sequence[RowCodebooks], umap: Any) -> list[Note]:
    about = f"picture {NAME}"
    seeds = {seed_of(one.runs[0]) for one in found} - {None}
    which = f"seed {seeds.pop()}" if len(seeds) == 1 else "the lowest seed with entries of each row"
    notes = [Note(about, which)]
    if umap is None:
        notes.append(Note(about, UMAP_MISSING))
    several, thinned, too_many = [], [], []
    for one in found:
        entries, counts = one.codebooks[0].entries, one.codebooks[0].counts
        assert entries is not None  # `codebooks_of` sees to both
        assert counts is not None
        several += [one.row.label] * (len(entries) > 1)
        thinned += [one.row.label] * (entries.shape[1] < counts.shape[1])
        too_many += [one.row.label] * (umap is not None and not _fits_umap(entries.shape[1]))
    for labels, text in (
        (several, "the first of several codebooks"),
        (thinned, "some of the codes, evenly spaced"),
        (too_many, f"no UMAP, which is for {FEWEST_UMAP} to {LARGEST_UMAP:,} codes"),
    ):
        if labels:
            notes.append(Note(about, f"{', '.join(labels)}: {text}"))
    return notes


def _fits_umap(codes: int) -> bool:
    return FEWEST_UMAP <= codes <= LARGEST_UMAP


def _draw(found: Sequence[RowCodebooks], umap: Any, width: str) -> Any:
    each = 1 if umap is None else 2  # panels a row
    columns = min(_COLUMNS[width], each * len(found))
    lines = -(-each * len(found) // columns)
    side = 1.0 if width == "column" else min(1.9, 7.4 / columns / each)
    figure = new_figure(width, height=(max(side, 1.35) + 0.55) * lines + 0.35)
    panels = list(figure.subplots(lines, columns, squeeze=False).flat)
    titles = short_labels([one.row.label for one in found], _LETTERS)
    total = sum(one.codebooks[0].entries.shape[1] for one in found)  # type: ignore[union-attr]
    drawn = None
    for place, (one, title) in enumerate(zip(found, titles, strict=True)):
        own = panels[each * place : each * (place + 1)]
        drawn = _draw_row(own, one, title, umap, rasterized=total * each > _POINTS) or drawn
    for panel in panels[each * len(found) :]:
        panel.set_visible(False)
    if drawn is not None:
        # Below: the panels keep the whole width.
        bar = figure.colorbar(
            drawn, ax=panels, location="bottom", extend="both", aspect=50, pad=0.02, shrink=0.7
        )
        bar.set_label("use of a code, times even use (grey: never used)")
        log_axis(bar.ax.xaxis, number)
    return figure


def _draw_row(
    panels: Sequence[Any], one: RowCodebooks, title: str, umap: Any, *, rasterized: bool
) -> Any:
    """PCA, and UMAP if there is one, of a row's first codebook."""
    entries, use, used = _entries(one)
    plane = principal_plane(entries, use)
    size = float(np.clip(4000 / len(entries), 1.6, 20))
    drawn = scatter_codes(
        panels[0], plane.places, use, span=_SPAN, size=size, rasterized=rasterized
    )
    of = " as used" if plane.as_used else ""
    panels[0].set(xlabel=f"{plane.shares[0]:.0%} of variance{of}", ylabel=f"{plane.shares[1]:.0%}")
    panels[0].set_title(f"{title}\n{used:.0%} used")
    for panel in panels:
        panel.set(xticks=[], yticks=[])
        panel.margins(0.06)
    if umap is None:
        return drawn
    panels[1].set_title("UMAP")
    panels[1].spines[:].set_visible(False)
    if not _fits_umap(len(entries)):
        panels[1].set_visible(False)
        return drawn
    flat = umap_places(umap, entries)
    return (
        scatter_codes(panels[1], flat, use, span=_SPAN, size=size, rasterized=rasterized) or drawn
    )


def _entries(one: RowCodebooks) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Entries (E, D), their use (E,) as multiples of even use, and the share of all codes used."""
    codebook = one.codebooks[0]
    assert codebook.entries is not None  # `codebooks_of` sees to it
    assert codebook.counts is not None
    assert codebook.codes is not None
    counts = codebook.counts[0]
    even = max(float(counts.sum()), 1.0) / len(counts)
    return codebook.entries[0], counts[codebook.codes] / even, float((counts > 0).mean())
