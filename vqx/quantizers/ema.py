"""EMA: a codebook that follows the mean of its latents.

Axes: N tokens, K codes, D latent width. State: counts N (K,), sums M (K, D), codebook E (K, D).
"""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from vqx.collectives import sum_over_ranks
from vqx.errors import ConfigError
from vqx.quantizers.codebook import CodebookQuantizer
from vqx.quantizers.restart import Restart
from vqx.quantizers.sums import sum_by_code

EmaInit = Literal["zeros", "ones", "batch", "kmeans"]


class EMA(CodebookQuantizer):
    """Vector quantization with a codebook of moving averages (arXiv 1711.00937, appendix A.1).

    With n, m a step's count and sum of latents by code, over all micro-batches and ranks:
    N <- g N + (1 - g) n, M <- g M + (1 - g) m, E = M / N~ with
    N~ = (N + eps) / (sum N + K eps) sum N. Loss: commitment |z - sg(q)|^2, mean over elements.

    ema_init: "batch" and "kmeans" set E from the first global batch, N to the mean count of a code
    in it, M = E N. "ones" and "zeros" start from E ~ N(0, 1) and M = E, with N = 1 and with N = 0.
    The latter is the start of much published code, for comparison: its first step divides M of
    every unused code by about eps and throws it out of reach.
    """

    counts: Tensor
    sums: Tensor
    codebook_weight = 0.0

    def __init__(
        self,
        codebook_size: int,
        latent_channels: int,
        *,
        decay: float = 0.99,
        eps: float = 1e-5,
        commitment: float = 0.25,
        ema_init: EmaInit = "kmeans",
        restart: Restart | bool | None = True,
    ) -> None:
        if ema_init not in get_args(EmaInit):
            raise ConfigError(f"ema_init {ema_init!r}: use one of {', '.join(get_args(EmaInit))}")
        if not 0 <= decay < 1:
            raise ConfigError(f"EMA decay {decay}: use 0 or more and less than 1")
        if eps <= 0:
            raise ConfigError(f"EMA eps {eps}: use a small positive number")
        super().__init__(
            codebook_size,
            latent_channels,
            commitment=commitment,
            data_init=ema_init if ema_init in ("batch", "kmeans") else None,
            restart=restart,
        )
        self.decay = decay
        self.eps = eps
        self.commitment_weight = commitment
        codebook = torch.randn(codebook_size, latent_channels)
        count = 0.0 if ema_init == "zeros" else 1.0
        self.register_buffer("codebook", codebook)
        self.register_buffer("counts", torch.full((codebook_size,), count))
        self.register_buffer("sums", codebook.clone())
        self._sums: Tensor | None = None  # this step's, on this rank (K, D); see CodebookQuantizer

    def loss(self, z: Tensor, q: Tensor) -> Tensor:
        """Commitment term () of z, q (N, D)."""
        return self.commitment * F.mse_loss(z, q.detach())

    def accumulate(self, rows: Tensor, codes: Tensor, counts: Tensor) -> None:
        """Add a micro-batch's rows (N, D), codes (N,) and counts (K,) to this step's sums."""
        super().accumulate(rows, codes, counts)
        sums = sum_by_code(rows, codes, self.codebook_size)
        self._sums = sums if self._sums is None else self._sums + sums

    def move(self, counts: Tensor) -> None:
        """One step of the averages; a step that saw no token changes nothing."""
        sums = torch.zeros_like(self.sums) if self._sums is None else self._sums
        self._sums = None
        sums = sum_over_ranks(sums)
        seen = counts.sum() > 0
        decay = torch.where(seen, self.decay, 1.0)
        self.counts.copy_(decay * self.counts + (1 - decay) * counts)
        self.sums.copy_(decay * self.sums + (1 - decay) * sums)
        total = self.counts.sum()
        smoothed = (self.counts + self.eps) / (total + self.codebook_size * self.eps) * total
        self.codebook.copy_(torch.where(seen, self.sums / smoothed[:, None], self.codebook))

    @torch.no_grad()
    def place(self, codes: Tensor, vectors: Tensor, *, count: Tensor) -> None:
        """Set the entries of `codes` (n,) to `vectors` (n, D), N to `count`, M to match.

        Were only E set, the next step would put it back at the old M / N.
        """
        self.codebook[codes] = vectors
        self.counts[codes] = count
        self.sums[codes] = count * vectors
