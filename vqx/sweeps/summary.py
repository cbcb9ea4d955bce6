"""A sweep's plan in words: one line of counts, and what the user is to know beside it."""

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
    Action.DUPLICATE: "duplicate{s}",
}


def summary_lines(name: str, jobs: Sequence[PlannedJob]) -> list[str]:
    """How many jobs of the sweep `name` are to run, what of the others; why some are left alone."""
    counts = Counter(job.action for job in jobs)
    parts = [
        f"{count} " + word.format(it="it" if count == 1 else "them", s="s" if count > 1 else "")
        for action, word in _WORDS.items()
        if (count := counts[action])
    ]
    noun = "job" if len(jobs) == 1 else "jobs"
    lines = [f"sweep {name}: {len(jobs)} {noun}: " + ", ".join(parts)]
    if unknown := sum(job.slurm_is_silent for job in jobs):
        them = "it" if unknown == 1 else "them"
        lines.append(
            f"Slurm cannot be asked from here, so {unknown} of those waiting may be over: to run "
            f"{them} here, delete submission.json in the run's folder"
        )
    return lines


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
    shown = ", ".join(map(str, numbers[:6])) + (", ..." if len(numbers) > 6 else "")
    return f"job {shown}" if len(numbers) == 1 else f"jobs {shown}"
