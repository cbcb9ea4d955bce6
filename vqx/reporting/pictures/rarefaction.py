"""How many codes are seen in some of an evaluation set's tokens: exactly, not by drawing some.

Axes: K codes, T numbers of tokens; N tokens in all.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_POINTS = 80


def expected_usage(counts: NDArray[np.int64], tokens: NDArray[np.int64]) -> Floats:
    """The expected share (T,) of all K codes seen in `tokens` (T,) of the N = sum of `counts` (K,).

    Drawn without replacement, every choice as likely: 1 - C(N - c, n) / C(N, n) is the chance to
    meet a code that is there c times, as in Hurlbert's rarefaction (1971). All N tokens give the
    usage itself; `tokens` beyond N count as N.
    """
    from scipy.special import gammaln

    # Few: many codes share a count.
    kinds, codes = np.unique(counts[counts > 0], return_counts=True)
    total = float(counts.sum())
    n = np.minimum(tokens, total).astype(np.float64)[:, None]  # (T, 1)
    left = total - kinds[None].astype(np.float64)  # (1, kinds): tokens that are other codes
    can_miss = n <= left
    rest = np.where(can_miss, left - n, 0.0)
    log_missed = gammaln(left + 1) - gammaln(rest + 1) - gammaln(total + 1) + gammaln(total - n + 1)
    missed = np.where(can_miss, np.exp(np.minimum(log_missed, 0.0)), 0.0)
    usage: Floats = ((1 - missed) * codes).sum(1) / len(counts)
    return usage


def uniform_usage(codes: int, tokens: NDArray[np.int64]) -> Floats:
    """The expected share (T,) of `codes` seen in `tokens` (T,) that use all codes evenly."""
    share: Floats = -np.expm1(tokens * np.log1p(-1.0 / codes)) if codes > 1 else tokens / tokens
    return share


def token_grid(total: int) -> NDArray[np.int64]:
    """Numbers of tokens from 1 to `total`, evenly spaced on a logarithmic axis, each once."""
    return np.unique(np.geomspace(1, max(1, total), _POINTS).round().astype(np.int64))
