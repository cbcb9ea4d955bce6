"""Codebook usage: over training, and as a function of the tokens that are looked at."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vqx.reporting.frame import Row
from vqx.reporting.pictures.bands import Band, Curve, fold
from vqx.reporting.pictures.codebook_file import Codebook, RowCodebooks, codebooks_of
from vqx.reporting.pictures.curves import bands_of, draw_bands, panel_grid
from vqx.reporting.pictures.lettering import log_axis, number, percent
from vqx.reporting.pictures.lines import AXIS_LABELS, Measure, RunLines, lines_of
from vqx.reporting.pictures.picture import Picture, nothing, omission_notes
from vqx.reporting.pictures.rarefaction import expected_usage, token_grid, uniform_usage
from vqx.reporting.pictures.style import GREY, legend_beside, look

NAME = "usage"
_MEASURE = Measure("usage", "train", "codes used between two log lines", 1.0)
_UNIFORM_SIZES = 2  # codebook sizes of which even use is drawn


def usage_picture(rows: Sequence[Row], *, over: str = "steps", width: str = "full") -> Picture:
    """Usage of the tokens between two log lines over training, and the expected share of codes seen
    in n tokens of the evaluation set (see `rarefaction`); means and bands over seeds.

    Raises NothingToDraw where no run has either.
    """
    found = lines_of(rows)
    omissions = [omission for one in found for omission in one.omissions]
    trained, missing = bands_of(found, _MEASURE, over=over)
    codebooks, lacking = codebooks_of(rows, needs="counts")
    omissions += [*missing, *lacking]
    if not trained and not codebooks:
        raise nothing(NAME, omissions)
    seen = {one.index: fold([seen_curve(c) for c in one.codebooks]) for one in codebooks}
    with look():
        figure, labels = _draw(found, trained, seen, codebooks, over=over, width=width)
        handles, order = labels
        legend_beside(figure, handles, [_label(rows, i) for i in order], width=width)
    return Picture(figure, omission_notes(NAME, omissions))


def seen_curve(codebook: Codebook) -> Curve:
    """The expected share of codes seen over tokens, the mean over the codebooks of a run."""
    assert codebook.counts is not None  # `codebooks_of` sees to it
    tokens = token_grid(int(codebook.counts.sum(1).max()))
    shares = np.mean([expected_usage(counts, tokens) for counts in codebook.counts], axis=0)
    return Curve(tokens.astype(np.float64), shares)


def _label(rows: Sequence[Row], index: int) -> str:
    return rows[index].label if index >= 0 else f"even use of {-index:,} codes"


def _draw(
    found: Sequence[RunLines],
    trained: dict[int, Band],
    seen: dict[int, Band],
    codebooks: Sequence[RowCodebooks],
    *,
    over: str,
    width: str,
) -> tuple[Any, tuple[list[Any], list[int]]]:
    """Figure, and lines with their rows' indices, minus the size for even use of a codebook."""
    figure, panels = panel_grid(bool(trained) + bool(seen), found, width)
    handles: dict[int, Any] = {}
    for panel in panels:
        panel.grid(True)
        panel.yaxis.set_major_formatter(percent)
    if trained:
        handles.update(draw_bands(panels[0], trained))
        panels[0].set(xlabel=AXIS_LABELS[over], ylabel=_MEASURE.title)
        panels[0].xaxis.set_major_formatter(number)
    if seen:
        handles.update(draw_bands(panels[-1], seen))
        panels[-1].set(xlabel="tokens of the evaluation set", ylabel="codes seen, expected")
        panels[-1].set_xscale("log")
        log_axis(panels[-1].xaxis)
    last = {**trained, **seen}
    order = sorted(last, key=lambda i: -float(last[i].mean[-1]))
    even = _draw_uniform(panels[-1], codebooks) if seen else {}
    for panel in panels:
        panel.set_ylim(bottom=0)
    return figure, ([*(handles[i] for i in order), *even.values()], [*order, *even])


def _draw_uniform(panel: Any, codebooks: Sequence[RowCodebooks]) -> dict[int, Any]:
    """Even use of the commonest codebook sizes, if there are few."""
    counts = [c.counts for one in codebooks for c in one.codebooks if c.counts is not None]
    sizes = [table.shape[1] for table in counts]
    common = sorted(set(sizes), key=lambda size: (-sizes.count(size), size))
    kept = [a for i, a in enumerate(common) if all(abs(a / b - 1) > 0.2 for b in common[:i])]
    tokens = token_grid(max(int(table.sum(1).max()) for table in counts))
    drawn = {}
    for place, size in enumerate(kept[:_UNIFORM_SIZES]):
        (line,) = panel.plot(
            tokens,
            uniform_usage(size, tokens),
            color=GREY,
            linewidth=0.9,
            linestyle=(0, (1, 1.5)) if place else (0, (4, 1, 1, 1)),
            zorder=1.5,
        )
        drawn[-size] = line
    return drawn
