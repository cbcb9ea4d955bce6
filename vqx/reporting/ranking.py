"""Which rows are the best of a column, as far as their seeds can tell."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vqx.reporting.statistics import LEVEL, Summary, pooled_std, t_quantile

RULE = (
    "best of its column, and what cannot be told from it: rows nearer to it than the least "
    "significant difference (Fisher's, 95 %, the seeds' standard deviation pooled over all rows, "
    "so that one row of wild seeds makes all harder to tell apart; not corrected for the number of "
    "rows). Second only if one alone is best"
)
RULE_SINGLE = (
    "the best number of its column, and the second; with one seed a row nobody knows how much of "
    "the difference is noise"
)


@dataclass(frozen=True, slots=True)
class Ranks:
    """Rows by their place in the table: the best ones, and where only one is best the second."""

    best: frozenset[int] = field(default_factory=frozenset)
    second: frozenset[int] = field(default_factory=frozenset)


def rank(summaries: Mapping[int, Summary], texts: Mapping[int, str], *, better: str) -> Ranks:
    """Ranks of rows by their means, `better` being "higher" or "lower".

    Rows that cannot be told from the first share its rank, and no rank is given where that is all
    of them. A row that can be told from the first is followed by no other that shares its rank.
    `texts`: the means as the table shows them; what reads the same is as good.
    """
    sign = -1.0 if better == "higher" else 1.0
    order = sorted(
        (i for i, summary in summaries.items() if math.isfinite(summary.mean)),
        key=lambda i: sign * summaries[i].mean,
    )
    alike = _likeness(summaries, texts)
    best = _tied(order, alike)
    if len(best) == len(order):
        return Ranks()
    if len(best) > 1:
        return Ranks(frozenset(best))
    rest = order[1:]
    second = _tied(rest, alike)
    # Two rows: the second is the other one, which needs no mark.
    return Ranks(frozenset(best), frozenset(second if len(second) < len(rest) else ()))


def _tied(order: Sequence[int], alike: Callable[[int, int], bool]) -> list[int]:
    """The first of `order`, and what follows it as long as it cannot be told from it."""
    for place, i in enumerate(order):
        if place and not alike(i, order[0]):
            return list(order[:place])
    return list(order)


def _likeness(
    summaries: Mapping[int, Summary], texts: Mapping[int, str]
) -> Callable[[int, int], bool]:
    """Whether two rows cannot be told apart; without any spread, by what reads the same."""
    noise = pooled_std(list(summaries.values()))
    widest = 0.0 if noise is None else t_quantile(0.5 + LEVEL / 2, noise.freedom) * noise.std

    def alike(i: int, j: int) -> bool:
        a, b = summaries[i], summaries[j]
        least = widest * math.sqrt(1 / a.n + 1 / b.n)
        return texts[i] == texts[j] or (noise is not None and abs(a.mean - b.mean) <= least)

    return alike
