"""Which rows are the best of a column, as far as their seeds can tell."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from vqx.reporting.statistics import Summary, welch_interval

RULE = (
    "best of its column, and what Welch's 95 % interval of the difference over seeds does not tell "
    "from it (not corrected for the number of rows); second only if one alone is best; a row of "
    "one seed ties with nothing but what reads the same"
)

_WIDEST = 12.8  # standard errors; the 97.5 % quantile of Student's t is 12.71 there


@dataclass(frozen=True, slots=True)
class Ranks:
    """Rows by their place in the table: the best ones, and where only one is best the second."""

    best: frozenset[int] = field(default_factory=frozenset)
    second: frozenset[int] = field(default_factory=frozenset)


def rank(summaries: Mapping[int, Summary], texts: Mapping[int, str], *, better: str) -> Ranks:
    """Ranks of rows by their means, `better` being "higher" or "lower".

    Rows that cannot be told from the first share its rank, and no rank is given where that is all
    of them. `texts`: the means as the table shows them; what reads the same is as good.
    """
    sign = -1.0 if better == "higher" else 1.0
    order = sorted(
        (i for i, summary in summaries.items() if math.isfinite(summary.mean)),
        key=lambda i: sign * summaries[i].mean,
    )
    best = _tied(order, summaries, texts)
    if len(best) == len(order):
        return Ranks()
    if len(best) > 1:
        return Ranks(frozenset(best))
    rest = [i for i in order if i not in best]
    second = _tied(rest, summaries, texts)
    # Two rows: the second is the other one, which needs no mark.
    return Ranks(frozenset(best), frozenset(second if len(second) < len(rest) else ()))


def _tied(order: list[int], summaries: Mapping[int, Summary], texts: Mapping[int, str]) -> set[int]:
    """The first of `order`, and what cannot be told from it."""
    if not order:
        return set()
    first = order[0]
    return {i for i in order if i == first or _alike(i, first, summaries, texts)}


def _alike(i: int, j: int, summaries: Mapping[int, Summary], texts: Mapping[int, str]) -> bool:
    if texts[i] == texts[j]:
        return True
    if _far_apart(summaries[i], summaries[j]):
        return False
    interval = welch_interval(summaries[i], summaries[j])
    return interval is not None and not interval.excludes_zero


def _far_apart(a: Summary, b: Summary) -> bool:
    """Whether the difference is beyond the widest interval there is, of one degree of freedom.

    Most rows of a large table are, and need no interval of their own.
    """
    if a.std is None or b.std is None:
        return False
    error = math.sqrt(a.std * a.std / a.n + b.std * b.std / b.n)
    return abs(b.mean - a.mean) > _WIDEST * error
