"""How evenly codes are used: the share of all tokens that each has, the most used first.

Axes: K codes, Q codebooks.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqx.reporting.frame import Row
from vqx.reporting.pictures.bands import Band, Curve, draw_band, fold
from vqx.reporting.pictures.codebook_file import Codebook, RowCodebooks, codebooks_of
from vqx.reporting.pictures.lettering import log_axis, number, percent, short_labels
from vqx.reporting.pictures.picture import Picture, nothing, omission_notes
from vqx.reporting.pictures.style import (
    GREY,
    LIGHT,
    legend_beside,
    legend_height,
    look,
    new_figure,
    style_of,
)

NAME = "histogram"
_ONE_PANEL = 8  # rows; more get a panel each
_COLUMNS = {"column": 2, "full": 4}
_LETTERS = 22  # of a panel's title
_RANKS = 240  # points of a line
_LOG_FROM = 8  # times that the largest codebook exceeds the smallest: then ranks are logarithmic


def histogram_picture(rows: Sequence[Row], *, width: str = "full") -> Picture:
    """Share of tokens a code, most used first, mean and band over seeds; dotted: even use.

    Of several codebooks the mean. A panel each, the others in grey, where there are more than 8
    rows. Raises NothingToDraw where no run has counts.
    """
    found, omissions = codebooks_of(rows, needs="counts")
    if not found:
        raise nothing(NAME, omissions)
    bands = {one.index: fold([ranked(c) for c in one.codebooks]) for one in found}
    sizes = {one.index: _size(one) for one in found}
    with look():
        if len(found) > _ONE_PANEL:
            figure, panels = _multiples(found, bands, sizes, width)
        else:
            figure, panels = _single(found, bands, sizes, width)
        _scale(panels, bands, sizes)
    return Picture(figure, omission_notes(NAME, omissions))


def ranked(codebook: Codebook) -> Curve:
    """The share of tokens of the codes at some ranks from 1 to K, mean over the codebooks."""
    assert codebook.counts is not None  # `codebooks_of` sees to it
    counts = np.sort(codebook.counts, axis=1)[:, ::-1].astype(np.float64)
    shares = (counts / np.maximum(counts.sum(1, keepdims=True), 1)).mean(0)  # (K,)
    ranks = rank_grid(len(shares))
    return Curve(ranks.astype(np.float64), shares[ranks - 1])


def rank_grid(codes: int) -> NDArray[np.int64]:
    """Ranks from 1 to `codes`: all, or some that are close on linear and logarithmic axes."""
    if codes <= _RANKS:
        return np.arange(1, codes + 1)
    half = _RANKS // 2
    both = np.concatenate([np.linspace(1, codes, half), np.geomspace(1, codes, half)])
    return np.unique(both.round().astype(np.int64))


def _size(one: RowCodebooks) -> int:
    return max(c.counts.shape[1] for c in one.codebooks if c.counts is not None)


def _single(
    found: Sequence[RowCodebooks], bands: dict[int, Band], sizes: dict[int, int], width: str
) -> tuple[Any, list[Any]]:
    labels = [one.row.label for one in found]
    extra = legend_height([*labels, "even"], width=width) if width == "column" else 0.3
    figure = new_figure(width, height=2.6 + extra)
    panel = figure.subplots()
    even = None
    for size in set(sizes.values()):
        even = _draw_even(panel, size)
    handles = [_draw_row(panel, index, band) for index, band in bands.items()]
    legend_beside(figure, [*handles, even], [*labels, "even use"], width=width)
    panel.set(xlabel="codes, most used first", ylabel="share of tokens")
    return figure, [panel]


def _multiples(
    found: Sequence[RowCodebooks], bands: dict[int, Band], sizes: dict[int, int], width: str
) -> tuple[Any, list[Any]]:
    columns = _COLUMNS[width]
    lines = -(-len(found) // columns)
    figure = new_figure(width, height=1.35 * lines + 0.4)
    panels = list(figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).flat)
    titles = short_labels([one.row.label for one in found], _LETTERS)
    for place, (one, title) in enumerate(zip(found, titles, strict=True)):
        for index, band in bands.items():
            if index != one.index:
                other = np.where(band.mean > 0, band.mean, np.nan)[::4]
                panels[place].plot(band.x[::4], other, color=LIGHT, lw=0.5, zorder=1)
        _draw_even(panels[place], sizes[one.index])
        _draw_row(panels[place], one.index, bands[one.index])
        panels[place].set_title(title)
        # The last row may be shorter: the panel over a gap has to name its own axis.
        panels[place].tick_params(labelbottom=place + columns >= len(found))
    for panel in panels[len(found) :]:
        panel.set_visible(False)
    figure.supxlabel("codes, most used first (dotted: even use; light: the other rows)")
    figure.supylabel("share of tokens")
    return figure, panels[: len(found)]


def _draw_row(panel: Any, index: int, band: Band) -> Any:
    """A row's shares; it ends where codes that were never used begin."""
    style = style_of(index)
    used = band.mean > 0
    shown = Band(band.x[used], band.mean[used], band.std[used], band.n[used], band.seeds)
    return draw_band(panel, shown, marker=style.marker, stagger=index, **style.line)


def _draw_even(panel: Any, size: int) -> Any:
    (line,) = panel.plot(
        [1, size], [1 / size] * 2, color=GREY, lw=0.9, ls=(0, (1, 1.5)), zorder=1.5
    )
    return line


def _scale(panels: Sequence[Any], bands: dict[int, Band], sizes: dict[int, int]) -> None:
    smallest = min(float(_lowest(band)) for band in bands.values())
    largest = max(float(band.mean.max()) for band in bands.values())
    for panel in panels:
        panel.set_yscale("log")
        panel.set_ylim(smallest / 1.5, largest * 2)
        log_axis(panel.yaxis, percent)
        panel.grid(True)
        if max(sizes.values()) >= _LOG_FROM * min(sizes.values()):
            panel.set_xscale("log")
            log_axis(panel.xaxis)
        else:
            panel.xaxis.set_major_formatter(number)


def _lowest(band: Band) -> float:
    return float(band.mean[band.mean > 0].min())
