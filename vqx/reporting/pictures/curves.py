"""Metrics over training: a line a row, with a band over its seeds."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from vqx.errors import ConfigError
from vqx.guard import nearest
from vqx.reporting.frame import Row, seed_of
from vqx.reporting.notes import Note
from vqx.reporting.pictures.bands import Band, Curve, draw_band, fold
from vqx.reporting.pictures.lettering import log_axis, number, plain
from vqx.reporting.pictures.lines import (
    AXIS_LABELS,
    Measure,
    RunLines,
    curve_of,
    lines_of,
    measure_of,
    metrics_in,
    usual_metric,
)
from vqx.reporting.pictures.numbers import states
from vqx.reporting.pictures.picture import (
    Omission,
    Picture,
    nothing,
    omission_notes,
    run_omissions,
)
from vqx.reporting.pictures.style import legend_beside, legend_height, look, new_figure, style_of
from vqx.runs.reading import Run

NAME = "curves"
_LOG_FROM = 50.0  # times that the largest value exceeds the smallest


def curves_picture(
    rows: Sequence[Row],
    *,
    metrics: Sequence[str] = (),
    over: str = "steps",
    width: str = "full",
) -> Picture:
    """Each of `metrics` (see `measure_of`) over `steps`, `images` or `hours`, a panel each.

    () is the evaluations' PSNR, or of runs that were evaluated once, the training's reconstruction.
    The mean over seeds with a band of a standard deviation where at least two seeds reach; thinner
    where not all do. Raises ConfigError for a metric that no run has, NothingToDraw without lines.
    """
    found = lines_of(rows)
    omissions = [omission for one in found for omission in one.omissions]
    if not any(one.lines for one in found):
        raise nothing(NAME, omissions)
    measures = [_measure(metric, found) for metric in metrics or [usual_metric(found)]]
    panels = []
    for measure in measures:
        bands, missing = bands_of(found, measure, over=over)
        panels.append(bands)
        omissions += missing
    with look():
        figure, axes = panel_grid(len(measures), found, width)
        handles: dict[int, Any] = {}
        for panel, measure, bands in zip(axes, measures, panels, strict=True):
            handles.update(draw_bands(panel, bands))
            label_panel(panel, measure, over)
        order = sorted(handles, key=lambda i: -_last(panels, i))
        labels = [rows[i].label for i in order]
        legend_beside(figure, [handles[i] for i in order], labels, width=width)
    notes = omission_notes(NAME, omissions)
    if not metrics and measures[0].kind == "train":
        text = f"runs were evaluated once: {measures[0].key} of the training batches is shown"
        notes += (Note(f"picture {NAME}", text),)
    return Picture(figure, notes)


def _measure(metric: str, found: Sequence[RunLines]) -> Measure:
    measure = measure_of(metric, found)
    if measure is None:
        there = metrics_in(found)
        raise ConfigError(
            f"curves={metric}: no run has logged it{nearest(metric, there)}; "
            f"there are: {', '.join(there)}"
        )
    return measure


def bands_of(
    found: Sequence[RunLines], measure: Measure, *, over: str
) -> tuple[dict[int, Band], list[Omission]]:
    """The band of each row by its index, and what of it is not there or shorter than the rest."""
    bands: dict[int, Band] = {}
    omissions: list[Omission] = []
    for one in found:
        curves: list[Curve] = []
        missing: list[tuple[Run, str]] = []
        for run, lines in one.lines:
            curve = curve_of(lines, measure.key, kind=measure.kind, over=over)
            if curve is None:
                missing.append((run, f"no {measure.kind} line with {measure.key}"))
            else:
                curves.append(Curve(curve.x, curve.y * measure.scale))
        omissions += run_omissions(one.row, missing)
        if curves:
            bands[one.index] = fold(curves)
            omissions += _shorter(one, curves, over)
    return bands, omissions


def _shorter(one: RunLines, curves: Sequence[Curve], over: str) -> list[Omission]:
    """Seeds that stopped before others: beyond, the mean is of fewer. Hours always differ."""
    longest = max(curve.x[-1] for curve in curves)
    if over == "hours" or len(curves) != len(one.lines):
        return []
    return [
        Omission(
            f"seed {seed_of(run)} of {one.row.label}",
            f"ends at {curve.x[-1]:,.0f} of {longest:,.0f} {over} ({states([run])}), the mean goes "
            "on without it",
        )
        for (run, _), curve in zip(one.lines, curves, strict=True)
        if curve.x[-1] < longest
    ]


def panel_grid(count: int, found: Sequence[RunLines], width: str) -> tuple[Any, list[Any]]:
    """A figure with `count` panels beside each other, or below each other in a narrow column."""
    legend = legend_height([one.row.label for one in found], width=width)
    if width == "column":
        figure = new_figure(width, height=2.3 * count + legend)
        return figure, list(figure.subplots(count, 1, squeeze=False)[:, 0])
    figure = new_figure(width, height=max(2.9, legend + 0.2))
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def draw_bands(panel: Any, bands: dict[int, Band]) -> dict[int, Any]:
    """All rows' bands in one panel; each row's line by its index."""
    handles = {}
    for index, band in bands.items():
        style = style_of(index)
        handles[index] = draw_band(panel, band, marker=style.marker, stagger=index, **style.line)
    return handles


def label_panel(panel: Any, measure: Measure, over: str) -> None:
    """Axes named; values over several decades on a logarithmic axis."""
    panel.set(xlabel=AXIS_LABELS[over], ylabel=plain(measure.title))
    panel.xaxis.set_major_formatter(number)
    panel.grid(True)
    values = np.concatenate([line.get_ydata() for line in panel.lines])
    values = values[np.isfinite(values)]
    if values.min() > 0 and values.max() >= _LOG_FROM * values.min():
        panel.set_yscale("log")
        log_axis(panel.yaxis)


def _last(panels: Sequence[dict[int, Band]], index: int) -> float:
    """Where a row's line ends in the first panel that has it: the legend's order."""
    for bands in panels:
        if index in bands:
            return float(bands[index].mean[-1])
    return 0.0
