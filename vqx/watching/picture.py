"""A look at some runs as lines of text: summary, table, and as many rows as there is room for."""

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from vqx.runs.reading import Run
from vqx.watching.entry import Entry
from vqx.watching.labels import label_configs
from vqx.watching.states import GOES_ON, Stage
from vqx.watching.summary import summarize, summary_line
from vqx.watching.table import Lines, cut, fields_of, render, rows_of
from vqx.watching.watcher import Watcher

_ORDER = list(Stage)


@dataclass(slots=True)
class Picture:
    """Draws what a watcher sees; `in_order` keeps the order of its places (a sweep's)."""

    watcher: Watcher
    metrics: Sequence[str]
    in_order: bool
    title: str = ""
    _names: tuple[list[int], str, list[str]] = field(default_factory=lambda: ([], "run", []))

    def look(self) -> list[Entry]:
        """Entries in the order of the table."""
        entries = self.watcher.look()
        return entries if self.in_order else sorted(entries, key=_interest)

    def draw(
        self, entries: Sequence[Entry], *, width: int | None, height: int | None, coloured: bool
    ) -> list[str]:
        """Lines for a place of `width` and `height` (None: without bounds).

        Where not all rows fit, those that matter most stay, in their order.
        """
        heading, labels = self._labels(entries)
        summary = self._summary(entries, width)
        kept = _kept(entries, None if height is None else max(1, height - len(summary) - 3))
        fields = fields_of(self.metrics)
        lines = render(
            rows_of([entries[i] for i in kept], [labels[i] for i in kept], fields),
            heading=heading,
            fields=fields,
            width=width,
            coloured=coloured,
            wrapped=height is None,
        )
        return [*summary, "", *_flat(lines), *(cut(x, width) for x in _rest(entries, kept))]

    def _summary(self, entries: Sequence[Entry], width: int | None) -> list[str]:
        start = f"{self.title}: " if self.title else ""
        line = start + summary_line(summarize(entries))
        fault = self.watcher.scheduler.fault
        said = f"{line} · Slurm does not answer: {fault}" if fault and _submitted(entries) else line
        return [said] if width is None else textwrap.wrap(said, max(20, width))

    def _labels(self, entries: Sequence[Entry]) -> tuple[str, list[str]]:
        """Labels by configuration; naming a thousand runs takes longer than all else."""
        ids = [id(entry.config) for entry in entries]
        if ids != self._names[0]:
            heading, labels = label_configs([entry.config for entry in entries])
            own = [" ".join(entry.overrides) for entry in entries]  # of those refused
            labels = [words or label for words, label in zip(own, labels, strict=True)]
            self._names = (ids, heading, labels)
        return self._names[1], self._names[2]


def _submitted(entries: Sequence[Entry]) -> bool:
    """Whether Slurm would have something to tell about any of them."""
    return any(entry.job_id and entry.stage in GOES_ON for entry in entries)


def _interest(entry: Entry) -> tuple[int, float]:
    """Sort key: by stage, newest first."""
    status = entry.run.status if isinstance(entry.run, Run) else None
    return _ORDER.index(entry.stage), -(status.heartbeat if status else 0.0)


def _kept(entries: Sequence[Entry], room: int | None) -> list[int]:
    """Indices of the rows that are shown."""
    everything = list(range(len(entries)))
    if room is None or len(entries) <= room:
        return everything
    return sorted(sorted(everything, key=lambda i: _interest(entries[i]))[: room - 1])


def _rest(entries: Sequence[Entry], kept: Sequence[int]) -> list[str]:
    shown = set(kept)
    counts = Counter(entry.stage for i, entry in enumerate(entries) if i not in shown)
    if not counts:
        return []
    said = ", ".join(f"{counts[stage]} {stage}" for stage in _ORDER if stage in counts)
    return [f"… and {said}"]


def _flat(lines: Lines) -> list[str]:
    return [*lines.heading, *(line for row in lines.rows for line in row)]
