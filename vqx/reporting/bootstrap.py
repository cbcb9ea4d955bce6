"""Percentile bootstrap of the mean of a few seeds (Efron 1979)."""

import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement

from vqx.reporting.statistics import LEVEL, Interval, summarize

_ENUMERATED = 8  # values of which all resamples are looked at
_RESAMPLES = 10_000


def bootstrap_interval(values: Sequence[float], *, level: float = LEVEL) -> Interval | None:
    """The central `level` of the means of resamples; None of fewer than two values.

    Of up to eight values every resample is counted, of more 10,000 are drawn from a fixed seed: the
    same values always have the same interval. Of three seeds it is narrower than Student's.
    """
    summary = summarize(values)
    if summary is None or summary.n < 2:
        return None
    means = sorted(_all(values) if len(values) <= _ENUMERATED else _drawn(values))
    total = sum(weight for _, weight in means)
    low = _quantile(means, (1 - level) / 2 * total)
    high = _quantile(means, (1 + level) / 2 * total)
    return Interval(summary.n, summary.mean, low, high)


def _all(values: Sequence[float]) -> Iterator[tuple[float, int]]:
    """Means of all different resamples, with how many orders give each."""
    n = len(values)
    for chosen in combinations_with_replacement(range(n), n):
        orders = math.factorial(n)
        for count in Counter(chosen).values():
            orders //= math.factorial(count)
        yield math.fsum(values[i] for i in chosen) / n, orders


def _drawn(values: Sequence[float]) -> Iterator[tuple[float, int]]:
    source = random.Random(0)
    for _ in range(_RESAMPLES):
        yield math.fsum(source.choices(values, k=len(values))) / len(values), 1


def _quantile(means: Sequence[tuple[float, int]], weight: float) -> float:
    """The smallest mean with at least `weight` of the resamples at or below it."""
    seen = 0
    for mean, orders in means:
        seen += orders
        if seen >= weight:
            return mean
    return means[-1][0]
