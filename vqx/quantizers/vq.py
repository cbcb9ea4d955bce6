"""VQ: a codebook learned by gradients.

Axes: N tokens, K codes, D latent width.
"""

import torch
from torch import Tensor, nn

from vqx.quantizers.checks import weights_of_terms
from vqx.quantizers.codebook import CodebookQuantizer, Distance
from vqx.quantizers.distortion import distortion
from vqx.quantizers.estimator import Estimator
from vqx.quantizers.initialization import Init
from vqx.quantizers.orthogonal import OrthogonalPenalty
from vqx.quantizers.restart import Restart


class VQ(CodebookQuantizer):
    """Vector quantization with a gradient codebook (van den Oord et al. 2017, arXiv 1711.00937).

    Loss |sg(z) - q|^2 + commitment |z - sg(q)|^2, means over elements (equation 3). `beta_legacy`
    puts the weight on the first, the codebook term, as much published code does by mistake.
    orthogonal: weight of OrthogonalPenalty. The other switches are CodebookQuantizer's.
    """

    commitment_weight: float
    codebook_weight: float

    def __init__(
        self,
        codebook_size: int,
        latent_channels: int,
        *,
        commitment: float = 0.25,
        beta_legacy: bool = False,
        init: Init = "uniform",
        distance: Distance = "euclidean",
        estimator: Estimator = "ste",
        restart: Restart | bool | None = True,
        orthogonal: float = 0.0,
    ) -> None:
        super().__init__(
            codebook_size,
            latent_channels,
            init=init,
            distance=distance,
            estimator=estimator,
            restart=restart,
        )
        weights = weights_of_terms(commitment, beta_legacy=beta_legacy)
        self.commitment_weight, self.codebook_weight = weights
        self.orthogonal = OrthogonalPenalty(orthogonal)
        self.codebook = nn.Parameter(torch.empty(codebook_size, latent_channels))
        self.reset_parameters()

    def loss(self, z: Tensor, q: Tensor) -> Tensor:
        """Codebook and commitment term () of z, q (N, D), and the orthogonal penalty."""
        weights = {"commitment": self.commitment_weight, "codebook": self.codebook_weight}
        return distortion(z, q, **weights) + self.orthogonal(self.codebook)

    @torch.no_grad()
    def place(self, codes: Tensor, vectors: Tensor, *, count: Tensor, share: Tensor) -> None:
        """Set the entries of `codes` (n,) to `vectors` (n, D); there are no counts to set."""
        self.codebook[codes] = vectors
