"""Codebooks whose rows learn by gradients.

Axes: N tokens, K codes, D latent width.
"""

import torch
from torch import Tensor, nn

from vqx.quantizers.checks import weights_of_terms
from vqx.quantizers.codebook import CodebookQuantizer
from vqx.quantizers.distortion import distortion
from vqx.quantizers.orthogonal import OrthogonalPenalty


class GradientCodebook(CodebookQuantizer):
    """A codebook (K, D) of parameters, with codebook, commitment and orthogonal term."""

    commitment_weight: float
    codebook_weight: float

    def add_codebook(self, *, commitment: float, beta_legacy: bool, orthogonal: float) -> None:
        """Make the terms and draw the codebook: the end of a constructor."""
        weights = weights_of_terms(commitment, beta_legacy=beta_legacy)
        self.commitment_weight, self.codebook_weight = weights
        self.orthogonal = OrthogonalPenalty(orthogonal)
        self.codebook = nn.Parameter(torch.empty(self.codebook_size, self.latent_channels))
        self.reset_parameters()

    def loss(self, z: Tensor, q: Tensor) -> Tensor:
        """Codebook and commitment term () of z, q (N, D), and the orthogonal penalty."""
        weights = {"commitment": self.commitment_weight, "codebook": self.codebook_weight}
        return distortion(z, q, **weights) + self.orthogonal(self.codebook)

    @torch.no_grad()
    def place(self, codes: Tensor, vectors: Tensor, *, count: Tensor, share: Tensor) -> None:
        """Set the entries of `codes` (n,) to `vectors` (n, D); there are no counts to set."""
        self.codebook[codes] = vectors
