"""Rate against distortion, or any column against another: a point a row, and who is beaten."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqx.reporting.columns import Column
from vqx.reporting.directions import direction
from vqx.reporting.frame import Row
from vqx.reporting.notes import Note
from vqx.reporting.pictures.front import pareto_front, staircase
from vqx.reporting.pictures.lettering import POINTS, log_axis, number, plain, short_labels
from vqx.reporting.pictures.numbers import pair_of
from vqx.reporting.pictures.picture import Omission, Picture, nothing, omission_notes
from vqx.reporting.pictures.placing import nearest_point, place_labels
from vqx.reporting.pictures.style import (
    GREY,
    INK,
    WIDTHS,
    darker,
    look,
    new_figure,
    style_of,
)
from vqx.reporting.published import Published, name_of
from vqx.reporting.statistics import Summary
from vqx.runs.durations import duration

NAME = "pareto"
_LOG_FROM = 20.0  # times that the largest number exceeds the smallest
_LETTERS = {"column": 18, "full": 30}  # of a name beside its point


@dataclass(frozen=True, slots=True)
class Point:
    """One row: its numbers, as written in the table; `index` is its place among the rows."""

    label: str
    x: Summary
    y: Summary
    discrete: bool = True
    index: int | None = None  # None: published by others


def pareto_picture(
    rows: Sequence[Row],
    *,
    x: Column,
    y: Column,
    published: Sequence[Published] = (),
    width: str = "full",
) -> Picture:
    """`y` over `x`, the mean over seeds with bars of a standard deviation where there are several.

    The step line is the front of our discrete rows by mean. Raises NothingToDraw without a point.
    """
    points, omissions = _points(rows, x, y, published)
    if not points:
        raise nothing(NAME, omissions)
    notes = omission_notes(NAME, omissions)
    better = (direction(x), direction(y))
    with look():
        figure = new_figure(width, height=3.1 if width == "column" else 4.3)
        axes = figure.subplots()
        _scales(axes, points, x, y)
        for point in points:
            _draw_point(axes, point)
        front = np.zeros((0, 2))
        if None in better:
            unknown = " and ".join(c.title for c, d in zip((x, y), better, strict=True) if not d)
            notes += (Note(f"picture {NAME}", f"no front: {unknown} has no direction of better"),)
        else:
            front = _draw_front(axes, points, [str(name) for name in better])
        _explain(figure, points, has_front=len(front) > 0)
        _name_points(figure, axes, points, front, width)
    return Picture(figure, notes)


def _points(
    rows: Sequence[Row], x: Column, y: Column, published: Sequence[Published]
) -> tuple[list[Point], list[Omission]]:
    points: list[Point] = []
    omissions: list[Omission] = []
    for index, row in enumerate(rows):
        found = pair_of(row, x, y)
        if isinstance(found, str):
            omissions.append(Omission(row.label, found))
        else:
            points.append(Point(row.label, found.x, found.y, row.discrete is not False, index))
    for printed in published:
        numbers = [printed.value(column.key) for column in (x, y)]
        lacking = [c.title for c, v in zip((x, y), numbers, strict=True) if v is None]
        if lacking:
            omissions.append(Omission(name_of(printed), f"no {' and no '.join(lacking)} printed"))
            continue
        a, b = (
            Summary(1, (v or 0.0) * c.scale, None) for v, c in zip(numbers, (x, y), strict=True)
        )
        points.append(Point(name_of(printed), a, b))
    return points, omissions


def _scales(axes: Any, points: Sequence[Point], x: Column, y: Column) -> None:
    for axis, rescale, column, values in (
        (axes.xaxis, axes.set_xscale, x, [point.x.mean for point in points]),
        (axes.yaxis, axes.set_yscale, y, [point.y.mean for point in points]),
    ):
        axis.set_label_text(plain(column.header))
        write = duration if column.write is duration else number
        if min(values) > 0 and max(values) >= _LOG_FROM * min(values):
            rescale("log")
            log_axis(axis, write)
        elif write is duration or max(map(abs, values)) >= 10_000:
            axis.set_major_formatter(write)
    axes.margins(0.24, 0.12)  # room for names
    axes.grid(True)


def _draw_point(axes: Any, point: Point) -> None:
    style = style_of(point.index or 0)
    ours = point.index is not None
    color = style.color if ours else GREY
    bars = {
        f"{name}err": summary.std
        for name, summary in (("x", point.x), ("y", point.y))
        if summary.std is not None and math.isfinite(summary.std) and summary.std > 0
    }
    axes.errorbar(
        point.x.mean,
        point.y.mean,
        **bars,
        color=color,
        marker=style.marker if ours else "x",
        markersize=5.5,
        markerfacecolor=color if point.discrete else "white",
        markeredgecolor=color,
        elinewidth=0.8,
        capsize=2,
        linestyle="none",
        zorder=3 if ours else 2.5,
    )


def _draw_front(axes: Any, points: Sequence[Point], better: Sequence[str]) -> NDArray[np.float64]:
    """The step line, to the worse edges of the axes, which stay where they are; its corners."""
    ours = [point for point in points if point.index is not None and point.discrete]
    if not ours:
        return np.zeros((0, 2))
    places = np.array([(point.x.mean, point.y.mean) for point in ours])
    kept = pareto_front(places, better)
    limits = axes.get_xlim(), axes.get_ylim()
    worst = [edge[1] if d == "lower" else edge[0] for edge, d in zip(limits, better, strict=True)]
    corners = staircase(places[kept], better, (worst[0], worst[1]))
    axes.plot(*corners.T, color=INK, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1.5)
    axes.set(xlim=limits[0], ylim=limits[1])
    return corners


def _explain(figure: Any, points: Sequence[Point], *, has_front: bool) -> None:
    """A line under the axes of what the marks mean, of those that are there."""
    from matplotlib.lines import Line2D

    dot: dict[str, Any] = {"linestyle": "none", "color": GREY, "markersize": 5.5}
    several = any(point.x.std or point.y.std for point in points)
    entries = [
        (has_front, Line2D([], [], color=INK, lw=0.9, ls=(0, (4, 2))), "Pareto front"),
        (several, Line2D([], [], marker="+", **dot), "± std over seeds"),
        (
            not all(point.discrete for point in points),
            Line2D([], [], marker="o", markerfacecolor="white", **dot),
            "not discrete",
        ),
        (
            any(point.index is None for point in points),
            Line2D([], [], marker="x", **dot),
            "published",
        ),
    ]
    shown = [(handle, text) for there, handle, text in entries if there]
    if shown:
        handles, texts = zip(*shown, strict=True)
        columns = len(shown) if figure.get_figwidth() > WIDTHS["column"] else 2
        figure.legend(handles, texts, loc="outside lower center", ncols=columns)


def _name_points(
    figure: Any, axes: Any, points: Sequence[Point], front: NDArray[np.float64], width: str
) -> None:
    """Names beside the points, with a thin line to those that had to go further away."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # placed once: what follows must move nothing
    labels = short_labels([point.label for point in points], _LETTERS[width])
    renderer = figure.canvas.get_renderer()
    unit = figure.dpi / 72
    anchors = axes.transData.transform([(point.x.mean, point.y.mean) for point in points])
    texts = [axes.text(0, 0, label, fontsize=POINTS, transform=None) for label in labels]
    boxes = [text.get_window_extent(renderer) for text in texts]
    sizes = np.array([(box.width + unit, box.height + unit) for box in boxes])
    placed = place_labels(
        anchors,
        sizes,
        np.concatenate([_obstacles(axes, points, anchors, unit), _segments(axes, front, unit)]),
        np.array(axes.get_window_extent(renderer).extents),
        gap=5 * unit,
    )
    to_axes = axes.transAxes.inverted().transform
    for i, (text, box, anchor) in enumerate(zip(texts, placed.boxes, anchors, strict=True)):
        index = points[i].index
        color = GREY if index is None else darker(style_of(index).color)
        text.set(transform=axes.transAxes, position=to_axes((box[:2] + box[2:]) / 2))
        text.set(ha="center", va="center", color=color, zorder=4)
        end = nearest_point(box, anchor)
        distances = np.linalg.norm(nearest_point(box[None], anchors) - anchors, axis=1)
        if distances[i] > 8 * unit or distances[i] > distances.min():
            line = to_axes(np.array([anchor, end]))
            axes.plot(*line.T, color=color, lw=0.6, transform=axes.transAxes, zorder=3.5)


def _segments(axes: Any, corners: NDArray[np.float64], unit: float) -> NDArray[np.float64]:
    """Boxes of the parts of the step line."""
    if not len(corners):
        return np.zeros((0, 4))
    places = axes.transData.transform(corners)
    low = np.minimum(places[:-1], places[1:]) - unit
    return np.concatenate([low, np.maximum(places[:-1], places[1:]) + unit], axis=1)


def _obstacles(
    axes: Any, points: Sequence[Point], anchors: NDArray[np.float64], unit: float
) -> NDArray[np.float64]:
    """Boxes of all markers, and of their bars."""
    half = 3.5 * unit
    boxes = [np.concatenate([anchor - half, anchor + half]) for anchor in anchors]
    for point in points:
        dx, dy = point.x.std or 0.0, point.y.std or 0.0
        for a, b in ((dx, 0.0), (0.0, dy)):
            low, high = axes.transData.transform(
                [
                    (point.x.mean - a, point.y.mean - b),
                    (point.x.mean + a, point.y.mean + b),
                ]
            )
            boxes.append(np.concatenate([low - unit, high + unit]))
    return np.array(boxes)
