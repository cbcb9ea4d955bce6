"""Orthogonal regularisation of a codebook that learns by gradients.

Axes: K codes, D latent width.
"""

from torch import Tensor

from vqx.quantizers.checks import require_weights
from vqx.quantizers.directions import unit_vectors
from vqx.quantizers.penalty import Penalty


class OrthogonalPenalty(Penalty):
    """weight |G - I|^2 / K^2 with G (K, K) the cosines between codes (arXiv 2112.00384).

    Exact for any K without the K x K matrix: for unit rows, |U U^T - I|^2 = |U^T U|^2 - K, and
    U^T U is (D, D). With K > D codes it cannot reach 0; it is least for codes spread evenly.
    """

    def __init__(self, weight: float) -> None:
        super().__init__()
        require_weights(orthogonal=weight)
        self.weight = weight

    def forward(self, codebook: Tensor) -> Tensor:
        """The term () for a codebook (K, D)."""
        if not self.enabled or self.weight == 0:
            return codebook.new_zeros(())
        unit, size = unit_vectors(codebook, 1), len(codebook)
        return self.weight * ((unit.T @ unit).square().sum() - size) / size**2
