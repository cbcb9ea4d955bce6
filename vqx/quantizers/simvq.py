"""SimVQ: a frozen codebook seen through one trainable linear layer.

Axes: N tokens, K codes, D latent width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vqx.quantizers.checks import weights_of_terms
from vqx.quantizers.codebook import CodebookQuantizer, Distance
from vqx.quantizers.distortion import distortion
from vqx.quantizers.estimator import Estimator
from vqx.quantizers.initialization import Init
from vqx.quantizers.orthogonal import OrthogonalPenalty
from vqx.quantizers.restart import Restart


class SimVQ(CodebookQuantizer):
    """Entries E W: E (K, D) is drawn once and frozen, W (D, D) learns (arXiv 2411.02038).

    A step of W moves all codes, used or not, so that none is left behind. Loss as VQ's, with q the
    entry of E W; `beta_legacy` as there. init: E's, "normal" of deviation D^-1/2 in the paper; W
    starts as a linear layer does, uniform in +-D^-1/2. A start from data, or a restart, puts an
    entry at v by E_i = v W^-1. orthogonal: weight of OrthogonalPenalty on the entries. The other
    switches are CodebookQuantizer's; no restart by default.
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
        init: Init = "normal",
        distance: Distance = "euclidean",
        estimator: Estimator = "ste",
        restart: Restart | bool | None = None,
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
        self.register_buffer("codebook", torch.empty(codebook_size, latent_channels))
        self.weight = nn.Parameter(torch.empty(latent_channels, latent_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw E and W anew."""
        super().reset_parameters()
        nn.init.uniform_(self.weight, -(self.latent_channels**-0.5), self.latent_channels**-0.5)

    def transform(self, vectors: Tensor) -> Tensor:
        """E W (n, D) of rows E (n, D); `weight` is W transposed, as in a linear layer."""
        return F.linear(vectors, self.weight)

    def entries_of(self, codes: Tensor) -> Tensor:
        """Entries (N, D) of `codes` (N,), differentiable.

        In eval looked up in all K: how a product rounds depends on how many rows it has.
        """
        return super().entries_of(codes) if self.training else F.embedding(codes, self.entries())

    def loss(self, z: Tensor, q: Tensor) -> Tensor:
        """Codebook and commitment term () of z, q (N, D), and the orthogonal penalty."""
        weights = {"commitment": self.commitment_weight, "codebook": self.codebook_weight}
        loss = distortion(z, q, **weights)
        # All K entries are made for it, but not for a weight of 0.
        return loss + self.orthogonal(self.entries()) if self.orthogonal.weight else loss

    @torch.no_grad()
    def place(self, codes: Tensor, vectors: Tensor, *, count: Tensor, share: Tensor) -> None:
        """Put the entries E W of `codes` (n,) at `vectors` (n, D)."""
        self.codebook[codes] = torch.linalg.lstsq(self.weight, vectors.T).solution.T
