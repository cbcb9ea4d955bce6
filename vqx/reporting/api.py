"""The report as a data frame: `vqx.reporting.table`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from vqx.reporting.build import build_report
from vqx.reporting.csv import rows_of, runs_of
from vqx.reporting.options import parse

if TYPE_CHECKING:
    import pandas as pd


def table(*words: str, per: Literal["row", "run"] = "row") -> "pd.DataFrame":
    """What `python -m vqx.report WORDS` shows, as a pandas data frame; nothing is written.

    `words`: folders and KEY=VALUE as on the command line: `table("data=photos", "sort=psnr")`.
    per="row": a line for each row of the table, with KEY_mean, KEY_std and KEY_n of every number;
    per="run": a line for each run, with its folder, seed, state, numbers and their stamps. Units
    are those of result.json: usage as a fraction, time in seconds. `attrs` has the caption and the
    notes, as pairs. Raises VqxError when there are no such runs.
    """
    import pandas as pd

    report = build_report(parse(words))
    lines = rows_of(report.frame, report.beside) if per == "row" else runs_of(report.frame)
    frame = pd.DataFrame(lines)
    for name in frame.columns[frame.columns.str.endswith(("_mean", "_std"))]:
        frame[name] = frame[name].astype(float)  # what others printed is text, as they wrote it
    if per == "row":
        frame = _in_order(frame, [line.label for line in report.tables[0].lines if line])
    main = report.tables[0]
    frame.attrs["caption"] = main.caption
    frame.attrs["notes"] = [(note.about, note.text) for note in main.notes]
    return frame


def _in_order(frame: "pd.DataFrame", labels: Sequence[str]) -> "pd.DataFrame":
    """Our rows in the order of the table, then the others."""
    places = {label: place for place, label in enumerate(labels)}
    order = frame["row"].map(lambda label: places.get(label, len(places)))
    return frame.iloc[order.argsort(kind="stable")].reset_index(drop=True)
