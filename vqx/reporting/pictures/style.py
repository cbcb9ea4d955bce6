"""How pictures look: one colour, marker and dash a row, in every picture and also in grey print.

Colours are Okabe and Ito's without their yellow, which white paper swallows.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from vqx.reporting.pictures.lettering import FAMILY, POINTS, short_labels

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#222222")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1.2, 1.2)), (0, (6, 1.4, 1.2, 1.4)))
GREY, LIGHT, INK = "#767676", "#DDDDDD", "#222222"
WIDTHS = {"column": 3.5, "full": 7.0}  # inches
DPI = 300
_SHORT, _LONGEST = 16, 40  # letters of a legend's entry below a narrow figure
_DARK = 0.17  # relative luminance

_LOOK: dict[str, Any] = {
    "font.family": FAMILY,
    "font.size": POINTS,
    **dict.fromkeys(
        (
            "axes.titlesize",
            "axes.labelsize",
            "xtick.labelsize",
            "ytick.labelsize",
            "legend.fontsize",
            "figure.titlesize",
            "figure.labelsize",
        ),
        POINTS,
    ),
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": LIGHT,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.5,
    "hatch.linewidth": 0.5,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "svg.fonttype": "none",  # letters stay letters: they can be searched and edited
    "svg.hashsalt": "vqx",  # ids by content, not by chance: the same bytes every time
}


@dataclass(frozen=True, slots=True)
class SeriesStyle:
    """What tells a row from the others; colour alone, or marker and dash alone, nearly suffice."""

    color: str
    marker: str
    dash: Any

    @property
    def line(self) -> dict[str, Any]:
        """Keywords of a plotted line."""
        return {"color": self.color, "linestyle": self.dash}


def style_of(index: int) -> SeriesStyle:
    """The style of row number `index`: marker and dash together repeat after 36 rows."""
    return SeriesStyle(
        COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)], DASHES[index % len(DASHES)]
    )


def darker(color: str) -> str:
    """`color` (#RRGGBB) dark enough for letters on white (4.5 to 1 by WCAG), its hue kept."""
    channels = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    red, green, blue = ((channel / 255) ** 2.2 for channel in channels)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    factor = min(1.0, _DARK / max(luminance, _DARK)) ** (1 / 2.2)
    return "#" + "".join(f"{round(channel * factor):02X}" for channel in channels)


@contextmanager
def look() -> Iterator[None]:
    """Matplotlib's own defaults and ours in the block, whatever a user's matplotlibrc says."""
    import matplotlib.style

    with matplotlib.style.context(["default", _LOOK]):
        yield


def new_figure(width: str, *, height: float, widths: float = 1.0) -> Any:
    """An empty figure of a `WIDTHS` key times `widths`, `height` in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTHS[width] * widths, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)  # which measures text; it attaches itself
    return figure


def legend_beside(figure: Any, handles: Sequence[Any], labels: Sequence[str], *, width: str) -> Any:
    """A legend outside of all panels: at the right of a full-width figure, else below."""
    below = width == "column"
    columns = _legend_columns(labels, width)
    texts = short_labels(labels, _LONGEST if below else 30)
    place = "outside lower center" if below else "outside right center"
    # Texts are set afterwards: a legend leaves out what starts with an underscore.
    legend = figure.legend(
        handles, [f"row {i}" for i in range(len(texts))], loc=place, ncols=columns
    )
    for entry, text in zip(legend.get_texts(), texts, strict=True):
        entry.set_text(text)
    return legend


def legend_height(labels: Sequence[str], *, width: str) -> float:
    """Inches that `legend_beside` adds below, or needs at the right at the least."""
    return 0.165 * -(-len(labels) // _legend_columns(labels, width)) + 0.1


def _legend_columns(labels: Sequence[str], width: str) -> int:
    """Two below a narrow figure where all labels are short enough for that."""
    short = len(labels) > 1 and max(map(len, labels)) <= _SHORT
    return 2 if width == "column" and short else 1
