"""Texts and numbers of two runs beside each other, for a terminal of a given width."""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from vqx.reporting.differences import Difference
from vqx.reporting.metric_differences import NumberPair
from vqx.reporting.wrapping import hanging

_BOLD, _DIM, _RESET = "\033[1m", "\033[2m", "\033[0m"
_STYLES = {"better": "\033[32m", "worse": "\033[31m", "not comparable": "\033[33m", "equal": _DIM}
_GAP = "  "
_SURE = " *"
_RULE = 100  # columns of a rule, at most
_ABOUT = 24  # of what a note is about
_SHORT = 12  # of a number's name, at least


@dataclass(frozen=True, slots=True)
class Page:
    """Text of `width` columns; `bold`: with styles, as a terminal shows them."""

    width: int
    bold: bool

    def section(self, title: str, *blocks: Sequence[str]) -> list[str]:
        """A title over a rule, then those blocks of lines that are not empty, set apart."""
        rule = "─" * min(self.width, _RULE)
        lines = ["", self._styled(title, _BOLD), self._styled(rule, _DIM)]
        for place, block in enumerate(filter(None, blocks)):
            lines += [*([""] if place else []), *block]
        return lines

    def text(self, text: str) -> list[str]:
        """A paragraph; a command in backticks stays on one line."""
        return [line[1:] for line in hanging("", text, indent=1, width=self.width + 1)]

    def note(self, about: str, text: str) -> list[str]:
        """A paragraph about something, or as if about what stands above it."""
        indent = min(_ABOUT, self.width // 4) if about else 3
        return hanging(about, text, indent=indent, width=self.width)

    def differences(self, found: Sequence[Difference], title: str = "") -> list[str]:
        """Keys with the texts of A and B in columns, wrapped where they are too wide."""
        if not found:
            return []
        rows = [(title, "A", "B"), *((d.key, d.a, d.b) for d in found)]
        widths = _shared([max(len(row[i]) for row in rows) for i in range(3)], self.width)
        head, *body = [_side_by_side(row, widths) for row in rows]
        return [*(self._styled(line, _BOLD) for line in head), *(x for row in body for x in row)]

    def numbers(self, pairs: Sequence[NumberPair], titles: Sequence[str]) -> list[str]:
        """A line for each number, under five titles: A, B, difference, verdict, interval."""
        if not pairs:
            return []
        rows = [
            (p.header, p.a, p.b, p.difference, p.verdict, p.paired + (_SURE if p.sure else ""))
            for p in pairs
        ]
        widths = [max(map(len, texts)) for texts in zip(("", *titles), *rows, strict=True)]
        room = self.width - sum(widths[1:5]) - 4 * len(_GAP)
        beside = room - widths[5] - len(_GAP) >= min(widths[0], _SHORT)
        widths[0] = min(widths[0], max(_SHORT, room - (widths[5] + len(_GAP)) * beside))
        head = [self._styled(x, _BOLD) for x in self._numbers(("", *titles), widths, beside)]
        return [*head, *(line for row in rows for line in self._numbers(row, widths, beside))]

    def _numbers(self, row: Sequence[str], widths: Sequence[int], beside: bool) -> list[str]:
        """A row's lines; its last text stands beside the others, or below where it must."""
        name, *rest = broken(row[0], widths[0])
        cells = [
            name.ljust(widths[0]),
            *(text.rjust(w) for text, w in zip(row[1:4], widths[1:4], strict=True)),
            self._styled(row[4].ljust(widths[4]), _STYLES.get(row[4], "")),
            *([row[5]] if beside else []),
        ]
        below = [f"    {row[5]}"] if row[5] and not beside else []
        return [_GAP.join(cells).rstrip(), *rest, *below]

    def _styled(self, text: str, style: str) -> str:
        return f"{style}{text}{_RESET}" if self.bold and style else text


def _side_by_side(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    columns = [broken(text, w) for text, w in zip(row, widths, strict=True)]
    height = max(map(len, columns))
    for column in columns:
        column += [""] * (height - len(column))
    return [
        _GAP.join(text.ljust(w) for text, w in zip(line, widths, strict=True)).rstrip()
        for line in zip(*columns, strict=True)
    ]


def _shared(needed: Sequence[int], width: int) -> list[int]:
    """Widths of three columns: what they need, or where that is too much their fair parts."""
    room = max(6, width - 2 * len(_GAP))
    values = sum(min(n, room // 3) for n in needed[1:])
    name = min(needed[0], max(room // 3, room - values))
    first = min(needed[1], max((room - name) // 2, room - name - needed[2]))
    return [name, first, max(1, min(needed[2], room - name - first))]


def broken(text: str, width: int) -> list[str]:
    """Lines of `text` no wider than `width`; long words break after a separator if they can."""
    lines = [""]
    for part in re.split(r"(?<=[\s./=,:-])|(?<=\w_)(?=\w)", " ".join(text.split())):
        if len((lines[-1] + part).rstrip()) <= width:
            lines[-1] += part
        else:
            pieces = textwrap.wrap(part, max(1, width), break_on_hyphens=False)
            lines = [line for line in [*lines, *pieces] if line]
            lines[-1] += " " if part.endswith(" ") else ""
    return [line.rstrip() for line in lines] or [""]
