"""Metrics by what a configuration key says: a map of shaded cells with their numbers."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqx.errors import ConfigError
from vqx.reporting.columns import Column, columns_of
from vqx.reporting.frame import Row
from vqx.reporting.pictures.heat_data import (
    HeatMap,
    check_key,
    is_key,
    over_keys,
    over_metrics,
    varying_key,
)
from vqx.reporting.pictures.lettering import inches, plain, short_labels
from vqx.reporting.pictures.numbers import column_called
from vqx.reporting.pictures.picture import Omission, Picture, nothing, omission_notes
from vqx.reporting.pictures.style import GREY, INK, WIDTHS, look, new_figure

NAME = "heatmap"
_MAP = "cividis"  # even in lightness: the same in grey print, and for any colour vision
_CELL = 0.27  # inches, of its height
_LETTERS = {"column": 20, "full": 36}
_HEADER_LETTERS = 18


def heatmap_picture(
    rows: Sequence[Row], *, keys: Sequence[str] = (), metric: str = "psnr", width: str = "full"
) -> Picture:
    """What `keys` ask for: a configuration key, then metrics (a shade for each column, its own best
    lightest), or one other key (then `metric` over both). Missing cells are hatched.

    () is `levels`, or what varies, and all usual metrics. Raises ConfigError for what is neither
    key nor column, NothingToDraw without a number.
    """
    heat = _map(rows, tuple(keys), metric)
    if not np.isfinite(heat.values).any():
        raise nothing(NAME, heat.omissions)
    with look():
        figure = _draw(heat, width)
    return Picture(figure, omission_notes(NAME, heat.omissions))


def _map(rows: Sequence[Row], keys: tuple[str, ...], metric: str) -> HeatMap:
    key = keys[0] if keys else varying_key(rows)
    if key is None:
        raise nothing(NAME, [Omission("all rows", "no key of the configuration varies")])
    check_key(key, rows)
    others = keys[1:]
    second = [name for name in others if is_key(name, rows)]
    if second and len(others) > 1 and not (len(others) == 2 and second == [others[0]]):
        raise ConfigError(
            f"heatmap={list(keys)}: after the first, one other key (and a metric), or metrics"
        )
    if second:
        column = column_called(others[1] if len(others) == 2 else metric, rows)
        return over_keys(rows, (key, second[0]), column)
    columns = [column_called(name, rows) for name in others] or _usual(rows)
    return over_metrics(rows, key, columns)


def _usual(rows: Sequence[Row]) -> list[Column]:
    """The metrics that a table shows, as far as some row has them."""
    results = [result for row in rows for result in row.results]
    return [
        column
        for column in columns_of(results)
        if column.is_metric
        and column.default
        and any(column.value(result) is not None for result in results)
    ]


def _draw(heat: HeatMap, width: str) -> Any:
    """One map, or where not all columns fit, parts of it below each other."""
    lines, columns = heat.values.shape
    names = short_labels(heat.rows, _LETTERS[width])
    room = WIDTHS[width] - max(map(inches, names)) - 0.35  # inches for all cells
    cell = max(inches(text) for row in _texts(heat) for text in row) + 0.08
    parts = -(-columns // max(1, int(room / cell)))
    figure = new_figure(width, height=(_CELL * lines + 0.75) * parts + 0.2)
    panels = figure.subplots(parts, 1, squeeze=False)[:, 0]
    for panel, some in zip(panels, np.array_split(np.arange(columns), parts), strict=True):
        _draw_part(panel, heat, some, names, room=room)
    panels[0].set_ylabel(plain(heat.row_key))
    if heat.column_key:
        panels[0].set_xlabel(plain(heat.column_key))
        panels[0].xaxis.set_label_position("top")
    place = {"transform": panels[-1].transAxes, "ha": "right", "va": "top", "color": GREY}
    panels[-1].text(1.0, -0.1 / lines, _legend(heat), **place)
    return figure


def _draw_part(
    axes: Any, heat: HeatMap, some: NDArray[np.int64], names: Sequence[str], *, room: float
) -> None:
    """Columns `some` of the map."""
    lines = len(heat.rows)
    axes.imshow(heat.shade[:, some], cmap=_colors(), vmin=0, vmax=1, aspect="auto")
    texts = _texts(heat)
    for i in range(lines):
        for place, j in enumerate(some):
            _draw_cell(axes, (place, i), texts[i][j], float(heat.shade[i, j]))
    axes.set_yticks(range(lines), names)
    headers = _headers(heat)
    axes.set_xticks(range(len(some)), [headers[j] for j in some])
    widest = max(inches(part) for j in some for part in headers[j].split("\n"))
    turned = widest > room / len(some)
    axes.tick_params(axis="x", top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.tick_params(axis="x", rotation=30 if turned else 0)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _texts(heat: HeatMap) -> list[list[str]]:
    """What is written in the cells, "" where there is no number."""
    return [
        [
            plain(metric.write(value)) if math.isfinite(value) else ""
            for metric, value in zip(heat.metrics, row, strict=True)
        ]
        for row in heat.values
    ]


def _legend(heat: HeatMap) -> str:
    """What shades and hatches mean."""
    shaded = np.isfinite(heat.shade).any()
    parts = (
        plain(heat.metrics[0].header) if heat.column_key else "",
        "" if heat.column_key or not shaded else "each column by itself",
        "light: better" if shaded else "",
        "" if np.isfinite(heat.values).all() else "hatched: missing",
    )
    return "; ".join(part for part in parts if part)


def _headers(heat: HeatMap) -> list[str]:
    """What stands over the columns; direction and unit of a metric below its name."""
    names = short_labels(heat.columns, _HEADER_LETTERS)
    if heat.column_key:
        return names
    rests = [m.header.removeprefix(m.title).strip() for m in heat.metrics]
    return [f"{name}\n{plain(rest)}" for name, rest in zip(names, rests, strict=True)]


def _colors() -> Any:
    """The colour map, white where a column has no direction of better."""
    from matplotlib import colormaps

    return colormaps[_MAP].with_extremes(bad="white")


def _draw_cell(axes: Any, place: tuple[int, int], text: str, shade: float) -> None:
    """The cell in column and line `place`; hatched without a text."""
    from matplotlib.patches import Rectangle

    box: dict[str, Any] = {"width": 1, "height": 1, "linewidth": 0.8}
    corner = (place[0] - 0.5, place[1] - 0.5)
    if not text:
        axes.add_patch(Rectangle(corner, **box, facecolor="white", edgecolor=GREY, hatch="////"))
        return
    axes.add_patch(Rectangle(corner, **box, facecolor="none", edgecolor="white"))
    dark = math.isfinite(shade) and shade < 0.55
    axes.text(*place, text, ha="center", va="center", color="white" if dark else INK)
