"""Seeds folded into one number."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Summary:
    """Mean and sample standard deviation (n - 1 in the denominator) of n values.

    One value has no spread: `std` is None, not 0. A NaN or infinity among the values stays visible.
    """

    n: int
    mean: float
    std: float | None


def summarize(values: Sequence[float]) -> Summary | None:
    """Summary of one value a seed; None of none."""
    if not values:
        return None
    mean = values[0] + math.fsum(v - values[0] for v in values) / len(values)  # exact if all equal
    if len(values) == 1:
        return Summary(1, values[0], None)
    variance = math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)
    return Summary(len(values), mean, math.sqrt(variance))
