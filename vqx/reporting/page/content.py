"""What a page shows."""

from dataclasses import dataclass

from vqx.reporting.cells import Table
from vqx.reporting.column_cells import Spread
from vqx.reporting.frame import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A report to be rendered as HTML.

    `tables`: the first is the main one, whose lines can be chosen for curves and images; others
    (paired differences, pivots) follow it. `frame`: all rows, in whose run folders curves, images
    and configurations are found. `markdown` and `latex`: what the copy buttons give, whole.
    `command`: what makes this page again. `spread`: what stands beside means in the main table,
    for the columns that it leaves out and the page can show.
    """

    title: str
    tables: tuple[Table, ...]
    frame: Frame
    markdown: str = ""
    latex: str = ""
    command: str = ""
    spread: Spread = "std"
