"""Styles tell rows apart, also without colour, and know no matplotlibrc."""

from itertools import pairwise

import matplotlib
import pytest

from vqx.reporting.pictures.style import (
    POINTS,
    WIDTHS,
    darker,
    legend_beside,
    legend_height,
    look,
    new_figure,
    style_of,
)


def test_marker_and_dash_tell_thirty_six_rows_apart() -> None:
    styles = [style_of(i) for i in range(36)]
    assert len({(style.marker, str(style.dash)) for style in styles}) == 36
    assert all(a.color != b.color for a, b in pairwise(styles))


def test_letters_are_dark_enough_on_white() -> None:
    def contrast(color: str) -> float:
        channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)

    assert min(contrast(darker(style_of(i).color)) for i in range(7)) >= 4.5


def test_a_users_settings_change_nothing_and_are_left_alone() -> None:
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        with look():
            assert matplotlib.rcParams["font.size"] == POINTS
            assert matplotlib.rcParams["axes.facecolor"] == "white"
            assert matplotlib.rcParams["svg.fonttype"] == "none"
        assert matplotlib.rcParams["font.size"] == 30


@pytest.mark.parametrize("width", list(WIDTHS))
def test_a_legend_shows_names_with_an_underscore_outside_of_the_axes(width: str) -> None:
    with look():
        figure = new_figure(width, height=3)
        axes = figure.subplots()
        (line,) = axes.plot([0, 1])
        legend = legend_beside(figure, [line, line], ["_hidden", "$x$"], width=width)
        figure.draw_without_rendering()
        renderer = figure.canvas.get_renderer()
        assert [t.get_text() for t in legend.get_texts()] == ["_hidden", r"\$x\$"]
        assert not axes.get_window_extent().overlaps(legend.get_window_extent(renderer))
    assert figure.get_figwidth() == WIDTHS[width]


@pytest.mark.parametrize("width", list(WIDTHS))
@pytest.mark.parametrize("letters", [3, 16, 17, 500])
def test_a_legend_of_many_long_names_stays_on_the_page(width: str, letters: int) -> None:
    with look():
        labels = [f"{i:02d}{'x' * (letters - 2)}" for i in range(14)]
        figure = new_figure(width, height=2 + legend_height(labels, width=width))
        axes = figure.subplots()
        lines = [axes.plot([0, 1])[0] for _ in labels]
        legend = legend_beside(figure, lines, labels, width=width)
        figure.draw_without_rendering()
        box = legend.get_window_extent(figure.canvas.get_renderer())
        page = figure.bbox
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1
        assert axes.get_window_extent().height > 300
