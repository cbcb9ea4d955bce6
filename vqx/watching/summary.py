"""What a sweep does as a whole: counts, how far, how fast, and when it will be done."""

import heapq
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from vqx.runs.durations import duration
from vqx.watching.entry import Entry
from vqx.watching.states import GOES_ON, RESULTS, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Of a table's runs: how many at which stage, steps taken of all steps, images/s of those
    that run, seconds until none is left to run (None: cannot be told), how many run at once.
    """

    counts: dict[Stage, int]
    step: int
    steps: int
    images_per_second: float | None
    eta_seconds: float | None
    parallel: int

    @property
    def is_over(self) -> bool:
        """Whether no run goes on by itself."""
        return not any(stage in GOES_ON for stage in self.counts)


def summarize(entries: Sequence[Entry]) -> Summary:
    """The summary of a table."""
    counts = Counter(entry.stage for entry in entries)
    running = [entry for entry in entries if entry.stage == Stage.RUNNING]
    rates = [rate for entry in running if (rate := entry.images_per_second)]
    return Summary(
        counts={stage: counts[stage] for stage in Stage if stage in counts},
        step=sum(e.steps if e.stage in RESULTS else e.step for e in entries),
        steps=sum(e.steps for e in entries),
        images_per_second=sum(rates) if rates else None,
        eta_seconds=eta_seconds(entries),
        parallel=len(running),
    )


def eta_seconds(entries: Sequence[Entry]) -> float | None:
    """Seconds until every run that goes on by itself is done, if as many run at once as now do.

    None when a run's own share is not known, and when none runs while others wait.
    """
    running = [e for e in entries if e.stage == Stage.RUNNING]
    waiting = [e for e in entries if e.stage in GOES_ON and e.stage != Stage.RUNNING]
    if not running:
        return None
    left = [entry.eta_seconds for entry in running]
    whole = [seconds for e in entries if (seconds := _whole_seconds(e)) is not None]
    if any(seconds is None for seconds in left) or (waiting and not whole):
        return None
    free = [seconds for seconds in left if seconds is not None]  # when each place is free
    heapq.heapify(free)
    usual = statistics.median(whole) if whole else 0.0
    for entry in waiting:
        share = 1 - entry.step / entry.steps if entry.steps else 1.0
        heapq.heapreplace(free, free[0] + usual * share)
    return max(free)


def _whole_seconds(entry: Entry) -> float | None:
    """What a run takes from its first step to its result, measured or projected."""
    result = entry.run.result if entry.run else None
    if result is not None:
        cost = result.get("cost") or {}
        parts = (cost.get("train_seconds"), cost.get("evaluate_seconds"))
        return sum(part for part in parts if part) if parts[0] else None
    left = entry.eta_seconds
    if left is None or not 0 < entry.step < entry.steps:
        return None
    return left / (1 - entry.step / entry.steps)


def summary_line(summary: Summary) -> str:
    """`12 runs: 3 running, 9 done · 61 % of 43,200 steps · 1,530 images/s · 2 h 10 min left`."""
    total = sum(summary.counts.values())
    counts = ", ".join(f"{count} {stage}" for stage, count in summary.counts.items())
    pieces = [f"{total} run{'s' if total != 1 else ''}: {counts}"]
    if summary.steps:
        share = int(100 * summary.step / summary.steps)  # never 100 before the end
        pieces.append(f"{share} % of {summary.steps:,} steps")
    if summary.images_per_second:
        pieces.append(f"{summary.images_per_second:,.0f} images/s")
    if not summary.is_over:
        eta = summary.eta_seconds
        at_once = f" with {summary.parallel} at a time" if summary.parallel > 1 else ""
        pieces.append("? left" if eta is None else f"{duration(eta)} left{at_once}")
    return " · ".join(pieces)
