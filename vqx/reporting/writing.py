"""Numbers as a table writes them."""

import math
from collections.abc import Callable, Sequence


def fixed(decimals: int) -> Callable[[float], str]:
    """Always so many decimals, so that points stand below each other."""
    return lambda value: f"{value:.{decimals}f}"


def count(value: float) -> str:
    """A number of weights: `1.2 M`, `3.4 B`."""
    return _scaled(value, ((1e9, " B"), (1e6, " M"), (1e3, " k")))


def operations(value: float) -> str:
    """A number of operations: `1.2 M`, `3.4 G`."""
    return _scaled(value, ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")))


def _scaled(value: float, sizes: Sequence[tuple[float, str]]) -> str:
    for size, suffix in sizes:
        if value >= 0.9995 * size:
            return f"{value / size:.1f}{suffix}"
    return f"{value:.0f}"


def codes(value: float) -> str:
    """A number of codes; a large power of two as such."""
    bits = math.log2(value) if value > 0 else 0.0
    return f"2^{bits:.0f}" if bits.is_integer() and bits > 20 else f"{value:.0f}"


def significant(value: float) -> str:
    """Four digits that count."""
    return f"{value:.4g}"


def grouped(value: float) -> str:
    """A whole number with its thousands apart: `12,800`."""
    return f"{value:,.0f}"
