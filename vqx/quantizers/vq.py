"""VQ: a codebook learned by gradients.

Axes: N tokens, K codes, D latent width.
"""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vqx.errors import ConfigError
from vqx.quantizers.codebook import CodebookQuantizer
from vqx.quantizers.restart import Restart

Init = Literal["uniform", "normal", "batch", "kmeans"]


class VQ(CodebookQuantizer):
    """Vector quantization with a gradient codebook (van den Oord et al. 2017, arXiv 1711.00937).

    Loss |sg(z) - q|^2 + commitment |z - sg(q)|^2, means over elements (equation 3). `beta_legacy`
    puts the weight on the first, the codebook term, as much published code does by mistake.
    init: "uniform" in +-1/K, "normal" of standard deviation D^-1/2, "batch" random latents of the
    first global batch, "kmeans" their cluster centres.
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
        restart: Restart | bool | None = True,
    ) -> None:
        if init not in get_args(Init):
            raise ConfigError(f"VQ init {init!r}: use one of {', '.join(get_args(Init))}")
        super().__init__(
            codebook_size,
            latent_channels,
            commitment=commitment,
            data_init=init if init in ("batch", "kmeans") else None,
            restart=restart,
        )
        self.commitment_weight = 1.0 if beta_legacy else commitment
        self.codebook_weight = commitment if beta_legacy else 1.0
        codebook = torch.empty(codebook_size, latent_channels)
        if init == "uniform":
            nn.init.uniform_(codebook, -1 / codebook_size, 1 / codebook_size)
        else:
            nn.init.normal_(codebook, std=latent_channels**-0.5)
        self.codebook = nn.Parameter(codebook)

    def loss(self, z: Tensor, q: Tensor) -> Tensor:
        """Codebook and commitment term () of z, q (N, D)."""
        codebook, commitment = F.mse_loss(q, z.detach()), F.mse_loss(z, q.detach())
        return self.codebook_weight * codebook + self.commitment_weight * commitment

    @torch.no_grad()
    def place(self, codes: Tensor, vectors: Tensor, *, count: Tensor) -> None:
        """Set the entries of `codes` (n,) to `vectors` (n, D); there are no counts to set."""
        self.codebook[codes] = vectors
