"""Whether two lists of numbers are in the same order."""

import math
from collections.abc import Sequence


def ranks(values: Sequence[float]) -> list[float]:
    """Rank of each value from 1, equal values sharing the mean of their ranks."""
    order = sorted(values)
    first = {value: order.index(value) + 1 for value in set(values)}
    return [first[value] + (order.count(value) - 1) / 2 for value in values]


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Correlation of the ranks of two equally long lists, in [-1, 1].

    None where it says nothing: under three pairs, or one list all equal.
    """
    if len(first) < 3:
        return None
    a, b = ranks(first), ranks(second)
    middle = (len(a) + 1) / 2
    covariance = math.fsum((x - middle) * (y - middle) for x, y in zip(a, b, strict=True))
    spread = math.prod(math.fsum((x - middle) ** 2 for x in one) for one in (a, b))
    return covariance / math.sqrt(spread) if spread else None
