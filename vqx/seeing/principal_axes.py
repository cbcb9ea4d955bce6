"""Principal axes of a codebook's entries, and of other rows.

Axes: D latent width, N rows, n axes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

LARGEST_DRAWN = 2**16
_AT_ONCE = 2**14


@dataclass(frozen=True, slots=True)
class PrincipalAxes:
    """Principal axes of rows: `mean` (D,), `directions` (n, D), the largest variance first.

    deviations: (n,) standard deviation along each; shares: its part of all variance, in [0, 1].
    """

    mean: Tensor
    directions: Tensor
    deviations: Tensor
    shares: list[float]

    def project(self, rows: Tensor) -> Tensor:
        """Coordinates (N, n) float64 of `rows` (N, D)."""
        return (rows.double() - self.mean) @ self.directions.T


class Moments:
    """Mean and covariance of rows that are seen a few at a time, in float64."""

    def __init__(self, channels: int) -> None:
        self.weight = 0.0
        self.sum = torch.zeros(channels, dtype=torch.float64)
        self.products = torch.zeros(channels, channels, dtype=torch.float64)

    def add(self, rows: Tensor, *, weights: Tensor | None = None) -> None:
        """See `rows` (N, D), each once or as often as `weights` (N,) say."""
        weights = torch.ones(len(rows)) if weights is None else weights
        for some, times in zip(rows.split(_AT_ONCE), weights.split(_AT_ONCE), strict=True):
            values, weight = some.double(), times.double()
            self.weight += float(weight.sum())
            self.sum += weight @ values
            self.products += (values * weight[:, None]).T @ values

    def principal_axes(self, count: int) -> PrincipalAxes:
        """The `count` principal axes of all rows, or D if that is less.

        The largest part of each direction is positive: the same picture every time.
        """
        seen = self.weight or 1.0
        mean = self.sum / seen
        variances, vectors = torch.linalg.eigh(self.products / seen - mean.outer(mean))
        variances = variances.flip(0).clamp(min=0)
        directions = vectors.flip(1).T[:count]
        signs = directions.gather(1, directions.abs().argmax(1, keepdim=True)).sign()
        shares = (variances[:count] / variances.sum().clamp(min=1e-300)).tolist()
        return PrincipalAxes(mean, directions * signs, variances[:count].sqrt(), shares)
