"""A sweep in words: one line of counts, the table of its jobs, and the account at its end."""

from collections import Counter
from collections.abc import Sequence

from vqx.sweeps.planned import Action, PlannedJob

_WORDS = {
    Action.RUN: "to run",
    Action.DONE: "done",
    Action.COLLAPSED: "collapsed",
    Action.DIVERGED: "diverged",
    Action.RUNNING: "running elsewhere",
    Action.WAITING: "waiting elsewhere",
    Action.FAILED: "failed (retry=failed runs {it} again)",
    Action.REFUSED: "refused",
    Action.DUPLICATE: "duplicate",
}


def summary_line(name: str, jobs: Sequence[PlannedJob]) -> str:
    """The sweep `name` in one line: how many jobs are to run, and what is to be said of others."""
    counts = Counter(job.action for job in jobs)
    parts = []
    for action, word in _WORDS.items():
        if count := counts[action]:
            text = word.format(it="it" if count == 1 else "them")
            plural = "s" if action is Action.DUPLICATE and count > 1 else ""
            parts.append(f"{count} {text}{plural}")
    noun = "job" if len(jobs) == 1 else "jobs"
    return f"sweep {name}: {len(jobs)} {noun}: " + ", ".join(parts)


def refusals(jobs: Sequence[PlannedJob]) -> list[str]:
    """A line for each reason for which jobs are refused, with the numbers of those jobs."""
    reasons: dict[str, list[int]] = {}
    for number, job in enumerate(jobs, start=1):
        if job.action is Action.REFUSED:
            reasons.setdefault(job.note, []).append(number)
    return [
        f"{reason} ({_numbered(numbers)} of {len(jobs)})" if len(jobs) > 1 else reason
        for reason, numbers in reasons.items()
    ]


def _numbered(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:8])) + (", ..." if len(numbers) > 8 else "")
    return f"job {shown}" if len(numbers) == 1 else f"{len(numbers)} jobs: {shown};"


def differing(jobs: Sequence[PlannedJob]) -> list[str]:
    """The overrides of each job without those that all of them have."""
    common = set.intersection(*(set(job.overrides) for job in jobs)) if len(jobs) > 1 else set()
    return [" ".join(text for text in job.overrides if text not in common) for job in jobs]


def summary_lines(name: str, jobs: Sequence[PlannedJob]) -> list[str]:
    """The line of counts, and what the user must know beside it."""
    return [summary_line(name, jobs)]


def plan_table(name: str, jobs: Sequence[PlannedJob]) -> list[str]:
    """The table of jobs."""
    texts = differing(jobs)
    lines = []
    for number, (job, text) in enumerate(zip(jobs, texts, strict=True), start=1):
        run = job.folder.path.name if job.folder else "-"
        lines.append(f"{number:4}  {job.action:10} {run}  {text}  {job.note}")
    return [*lines, *summary_lines(name, jobs)]
