"""Seeds folded into one number, and what can be said of a difference."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

LEVEL = 0.95
_EXPANDED = 100  # degrees of freedom from which the normal's expansion is exact to 1e-7


@dataclass(frozen=True, slots=True)
class Summary:
    """Mean and sample standard deviation (n - 1 in the denominator) of n values.

    One value has no spread: `std` is None, not 0. A NaN or infinity among the values stays visible.
    """

    n: int
    mean: float
    std: float | None


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean of n values and a confidence interval of it, from `low` to `high`."""

    n: int
    mean: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half of the interval's length."""
        return (self.high - self.low) / 2

    @property
    def excludes_zero(self) -> bool:
        """Whether all of the interval is on one side of zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Noise:
    """A standard deviation, and its degrees of freedom."""

    std: float
    freedom: int


def summarize(values: Sequence[float]) -> Summary | None:
    """Summary of one value a seed; None of none.

    Of values that are not finite, or too large to be squared, the deviation is not a number.
    """
    if not values:
        return None
    first, n = values[0], len(values)
    if n == 1:
        return Summary(1, first, None)
    try:
        mean = first + math.fsum([value - first for value in values]) / n  # exact if all are equal
        variance = math.fsum([(value - mean) * (value - mean) for value in values]) / (n - 1)
    except (OverflowError, ValueError):  # beyond a float's range; inf - inf
        return Summary(n, sum(values) / n, math.nan)
    return Summary(n, mean, math.sqrt(variance))


def mean_interval(values: Sequence[float], *, level: float = LEVEL) -> Interval | None:
    """Student's t interval of the mean of `values`; None of fewer than two, which have no noise."""
    summary = summarize(values)
    if summary is None or summary.std is None:
        return None
    half = t_quantile(0.5 + level / 2, summary.n - 1) * summary.std / math.sqrt(summary.n)
    return Interval(summary.n, summary.mean, summary.mean - half, summary.mean + half)


def pooled_std(summaries: Sequence[Summary]) -> Noise | None:
    """The standard deviation within groups, over all that have one; None where none has."""
    known = [
        (s.n - 1, s.std) for s in summaries if s.std is not None and math.isfinite(s.std * s.std)
    ]
    freedom = sum(weight for weight, _ in known)
    if not freedom:
        return None
    variance = math.fsum(weight * std * std for weight, std in known) / freedom
    return Noise(math.sqrt(variance), freedom)


@cache
def t_quantile(p: float, freedom: int) -> float:
    """The `p` quantile, 0.5 < p < 1, of Student's t with a whole number of degrees of freedom.

    Written out because importing scipy's takes as long as the rest of a table. Abramowitz and
    Stegun 26.7.3-4 by bisection; from 100 degrees on the normal quantile's expansion, 26.7.5.
    """
    if freedom >= _EXPANDED:
        return _expanded(NormalDist().inv_cdf(p), freedom)
    low, high = 0.0, math.pi / 2  # of the angle atan(t / sqrt(freedom))
    for _ in range(64):
        middle = (low + high) / 2
        low, high = (middle, high) if _central(middle, freedom) < 2 * p - 1 else (low, middle)
    return math.sqrt(freedom) * math.tan((low + high) / 2)


def _central(angle: float, freedom: int) -> float:
    """Probability of |t| <= sqrt(freedom) tan(angle)."""
    odd, square = freedom % 2, math.cos(angle) ** 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for k in range(1 + odd, freedom, 2):
        total += term
        term *= square * k / (k + 1)
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total


def _expanded(z: float, freedom: int) -> float:
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return math.fsum(term / freedom**i for i, term in enumerate(terms))
