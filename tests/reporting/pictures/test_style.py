"""Styles tell rows apart, also without colour, and know no matplotlibrc."""

from itertools import pairwise

import matplotlib
import pytest

from vqx.reporting.pictures.style import (
    POINTS,
    WIDTHS,
    darker,
    legend_beside,
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
