"""Text from run folders made fit for a picture: no formulas, no control letters, no endless names.

Numbers of axes as plain text, too.
"""

import re
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

# What XML 1.0 cannot hold even escaped, and lone surrogates, which UTF-8 cannot.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u200e\u200f\u202a-\u202e]")
FAMILY = "DejaVu Sans"  # comes with Matplotlib: the same letters everywhere
POINTS = 8.0  # of all letters: what journals ask for at the least
LETTER = 0.068  # inches that a usual letter of a label is wide
_SUFFIXES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


def plain(text: str, limit: int | None = None) -> str:
    """`text` on one line as Matplotlib shows it letter by letter, as wide as `limit` usual letters.

    Where it is wider, its middle gives way to an ellipsis. `$` is escaped: it starts no formula.
    """
    flat = " ".join(_UNPRINTABLE.sub(" ", str(text)).split())
    return (flat if limit is None else shortened(flat, limit)).replace("$", r"\$")


def shortened(text: str, limit: int) -> str:
    """`text`, or its start and end around an ellipsis, as wide as `limit` usual letters."""
    room = limit * LETTER
    kept = min(len(text), 4 * limit)  # of the narrowest letters
    shown = text if kept == len(text) else _around(text, kept)
    while kept > 1 and inches(shown) > room:
        kept -= 1
        shown = _around(text, kept)
    return shown


def _around(text: str, kept: int) -> str:
    """`kept` letters of `text`, from both its ends."""
    end = kept // 2
    return f"{text[: kept - end].rstrip()}…{text[len(text) - end :].lstrip() if end else ''}"


@lru_cache(maxsize=4096)
def inches(text: str) -> float:
    """How wide `text` is, in the letters of our pictures."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=FAMILY, size=POINTS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters that the font lacks are as wide as their box
        width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width) / 72


def short_labels(labels: Sequence[str], limit: int) -> list[str]:
    """`labels` made `plain`; those that shortening would make alike are numbered."""
    texts = [plain(label, limit) for label in labels]
    found: dict[str, int] = {}
    distinct = []
    for label, text in zip(labels, texts, strict=True):
        found[text] = found.get(text, 0) + 1
        alike = texts.count(text) > 1
        distinct.append(f"{plain(label, limit - 4)} #{found[text]}" if alike else text)
    return distinct


def number(value: float, _position: object = None) -> str:
    """`1.2k` for 1,200: a tick of an axis, without mathematics."""
    size = abs(value)
    for least, suffix in _SUFFIXES:
        if size >= least * (1 - 1e-9):
            return f"{value / least:.3g}{suffix}"
    return f"{value:.3g}"


def percent(value: float, _position: object = None) -> str:
    """`0.5%` for 0.005."""
    return f"{value * 100:.3g}%"


def log_axis(axis: Any, write: Any = number) -> None:
    """Plain numbers at the powers of ten of a logarithmic axis; at 1, 2 and 5 on a short one."""
    from matplotlib.ticker import LogLocator, NullLocator

    low, high = sorted(axis.get_view_interval())
    decades = high / low if low > 0 else float("inf")
    steps = (1.0,) if decades > 300 else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(subs=steps, numticks=9 if decades < 1e5 else 5))
    axis.set_major_formatter(write)
    axis.set_minor_locator(NullLocator())
