"""Text of strangers becomes text in a picture, nothing else."""

import xml.etree.ElementTree as ET
from io import BytesIO

import pytest
from matplotlib.figure import Figure

from vqx.reporting.pictures.lettering import (
    LETTER,
    inches,
    log_axis,
    number,
    percent,
    plain,
    short_labels,
    shortened,
)
from vqx.reporting.pictures.style import look, new_figure

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    r"$\frac{1}{0}$",
    "$x",
    "a$b$c$d",
    r"\$5 and \$\$",
    "<script>alert(1)</script>",
    "]]> & \"quotes\" 'and'",
    "_hidden",
    "two\nlines\tand a tab",
    "nul\x00 bell\x07 escape\x1b[31m",
    "lone \ud800 surrogate",
    "x" * 5000,
    "%s {0} %",
]


def svg_texts(text: str) -> list[str]:
    with look():
        figure = Figure()
        figure.text(0.1, 0.1, plain(text))
        file = BytesIO()
        figure.savefig(file, format="svg")
    return [t.text or "" for t in ET.fromstring(file.getvalue()).iter(f"{SVG}text")]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_letter_by_letter(text: str) -> None:
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    assert svg_texts(text) == [flat]


@pytest.mark.parametrize("text", ["abcdefghij" * 4, "i" * 90, "M" * 90, "量" * 40])
@pytest.mark.parametrize("limit", [6, 20])
def test_the_middle_gives_way_by_width(text: str, limit: int) -> None:
    short = shortened(text, limit)
    start, _, end = short.partition("…")
    assert text.startswith(start)
    assert text.endswith(end)
    assert len(start) - len(end) in (0, 1)
    assert inches(short) <= limit * LETTER
    longer = f"{start}{text[len(start)]}…{text[-len(end) - 1 :]}"
    assert len(short) >= 4 * limit or inches(longer) > limit * LETTER


def test_what_fits_stays() -> None:
    assert shortened("psnr", 5) == "psnr"


def test_widths_are_those_of_the_picture() -> None:
    with look():
        figure = new_figure("full", height=1)
        text = figure.text(0, 0, "ema codebook_size=1024")
        box = text.get_window_extent(figure.canvas.get_renderer())
    assert abs(box.width / figure.dpi - inches("ema codebook_size=1024")) < 0.03


def test_labels_that_shortening_makes_alike_are_numbered() -> None:
    labels = [f"{'a' * 20}b{'a' * 20}", f"{'a' * 20}c{'a' * 20}", "short"]
    short = short_labels(labels, 12)
    assert len(set(short)) == 3
    assert short[2] == "short"
    assert [label[-2:] for label in short[:2]] == ["#1", "#2"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.25, "0.25"), (999, "999"), (1200, "1.2k"), (1e6, "1M"), (-2e9, "-2B")],
)
def test_ticks_are_short(value: float, text: str) -> None:
    assert number(value) == text


def test_percent() -> None:
    assert percent(0.005) == "0.5%"


@pytest.mark.parametrize("limits", [(1, 30), (1, 1e7)])
def test_a_log_axis_has_plain_labels(limits: tuple[float, float]) -> None:
    figure = Figure()
    axes = figure.subplots()
    axes.set_yscale("log")
    axes.set_ylim(*limits)
    log_axis(axes.yaxis)
    figure.draw_without_rendering()
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert "1" in labels
    assert {"10", "100"} & set(labels)
    assert not any("$" in label for label in labels)
