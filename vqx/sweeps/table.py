"""The table of a plan: a job a line when piped or where there is room, else two."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from vqx.runs.durations import duration
from vqx.sweeps.cost import Costs, finished_runs
from vqx.sweeps.planned import Action, PlannedJob
from vqx.sweeps.summary import summary_lines

_HEAD = ("job", "state", "run (slug-signature)", "cost", "overrides")


@dataclass(frozen=True, slots=True)
class _Row:
    """The cells of one job as text."""

    number: str
    state: str
    run: str
    cost: str
    overrides: str

    def cells(self) -> tuple[str, ...]:
        return (self.number, self.state, self.run, self.cost, self.overrides)


def plan_table(name: str, jobs: Sequence[PlannedJob], *, width: int | None) -> list[str]:
    """Each job with its run, state, expected cost and what differs in its overrides; the summary.

    `width` is the terminal's; None: piped, a line a job whatever its length.
    """
    costs = Costs(finished_runs(jobs))
    seconds = [costs(job) if job.action is Action.RUN else None for job in jobs]
    texts = differing(jobs)
    rows = [
        _Row(
            str(number),
            job.action.value,
            job.folder.path.name if job.folder else "-",
            "" if job.action is not Action.RUN else "?" if cost is None else duration(cost),
            f"{text}  # {job.note}" if job.note else text,
        )
        for number, (job, cost, text) in enumerate(zip(jobs, seconds, texts, strict=True), 1)
    ]
    lines = _laid_out(rows, width)
    return [*lines, "", *summary_lines(name, jobs), *_total(jobs, seconds, costs)]


def differing(jobs: Sequence[PlannedJob]) -> list[str]:
    """The overrides of each job without those that all of them have."""
    common = set.intersection(*(set(job.overrides) for job in jobs)) if len(jobs) > 1 else set()
    return [" ".join(text for text in job.overrides if text not in common) for job in jobs]


def _laid_out(rows: Sequence[_Row], width: int | None) -> list[str]:
    cells = [_HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    lines = []
    for line in cells:
        start = f"{line[0]:>{widths[0]}}  {line[1]:{widths[1]}}  {line[2]:{widths[2]}}  "
        text = f"{start}{line[3]:>{widths[3]}}  {line[4]}".rstrip()
        if width is None or sum(widths) + 8 + max(len(c[4]) for c in cells) <= width:
            lines.append(text)
        else:
            lines += _two_lines(line, widths, width)
    return lines


def _two_lines(line: Sequence[str], widths: Sequence[int], width: int) -> list[str]:
    """A job on a narrow terminal: its run with state and cost, and its overrides below."""
    indent = " " * (widths[0] + 2)
    first = f"{line[0]:>{widths[0]}}  {line[1]:{widths[1]}}  {line[3]:>{widths[3]}}  {line[2]}"
    below = textwrap.wrap(
        line[4],
        max(20, width - 1),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [first.rstrip(), *below]


def _total(jobs: Sequence[PlannedJob], seconds: Sequence[float | None], costs: Costs) -> list[str]:
    """The cost of all jobs together, as far as finished runs tell."""
    to_run = sum(job.action is Action.RUN for job in jobs)
    known = [each for each in seconds if each is not None]
    if not to_run:
        return []
    if not known:
        return [
            "expected cost: unknown, as no finished run has the same model, loss, data and trainer"
        ]
    unknown = to_run - len(known)
    missing = f", and {unknown} unknown" if unknown else ""
    on = {costs.device_of(j) for j, cost in zip(jobs, seconds, strict=True) if cost is not None}
    said = f"{len(known)} job{'s' if len(known) > 1 else ''} on {' and '.join(sorted(on))}"
    one_by_one = ", one after the other" if len(known) > 1 else ""
    return [f"expected cost: {duration(sum(known))} for {said}{one_by_one}{missing}"]
