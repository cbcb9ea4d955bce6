"""EMA: a codebook that follows the mean of its latents.

Axes: N tokens, K codes, D latent width. State: counts N (K,), sums M (K, D), codebook E (K, D).
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from vqx.collectives import sum_over_ranks
from vqx.errors import ConfigError
from vqx.quantizers.checks import require_weights
from vqx.quantizers.codebook import CodebookQuantizer, Distance
from vqx.quantizers.distortion import distortion
from vqx.quantizers.estimator import Estimator
from vqx.quantizers.initialization import Init, fill_codebook
from vqx.quantizers.restart import Restart

EmaInit = Literal["zeros", "ones"]


class EMA(CodebookQuantizer):
    """Vector quantization with a codebook of moving averages (arXiv 1711.00937, appendix A.1).

    With n, m a step's count and sum of latents by code, over all micro-batches and ranks:
    N <- g N + (1 - g) n, M <- g M + (1 - g) m, E = M / N~ with
    N~ = (N + eps) / (sum N + K eps) sum N. Loss: commitment |z - sg(q)|^2, mean over elements.

    init None is "kmeans". A start from data sets N to the mean count of a code in the first batch,
    any other N = 1, and M = E N. ema_init: the start of published code in place of `init`, for
    comparison: E ~ N(0, 1) and M = E, with N = 1 ("ones") or N = 0 ("zeros"). With the latter the
    first step divides M of every unused code by about eps and throws it out of reach.
    Gradients do not reach the codebook, so it has no orthogonal penalty.
    """

    counts: Tensor
    sums: Tensor
    commitment_weight: float
    codebook_weight = 0.0
    counts_codes = True

    def __init__(
        self,
        codebook_size: int,
        latent_channels: int,
        *,
        decay: float = 0.99,
        eps: float = 1e-5,
        commitment: float = 0.25,
        init: Init | None = None,
        ema_init: EmaInit | None = None,
        distance: Distance = "euclidean",
        estimator: Estimator = "ste",
        restart: Restart | bool | None = True,
    ) -> None:
        super().__init__(
            codebook_size,
            latent_channels,
            init=_start(init, ema_init),
            distance=distance,
            estimator=estimator,
            restart=restart,
        )
        require_weights(commitment=commitment)
        if not 0 <= decay < 1:
            raise ConfigError(f"EMA decay {decay}: use 0 or more and less than 1")
        if eps <= 0:
            raise ConfigError(f"EMA eps {eps}: use a small positive number")
        self.decay = decay
        self.eps = eps
        self.ema_init = ema_init
        self.commitment_weight = commitment
        self.register_buffer("codebook", torch.empty(codebook_size, latent_channels))
        self.register_buffer("counts", torch.empty(codebook_size))
        self.register_buffer("sums", torch.empty(codebook_size, latent_channels))
        self._sums: Tensor | None = None  # this step's, on this rank (K, D); see CodebookQuantizer
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the codebook anew, with its counts and sums."""
        if self.ema_init is None:
            fill_codebook(self.codebook, self.init)
        else:
            self.codebook.normal_()
        self.counts.fill_(0.0 if self.ema_init == "zeros" else 1.0)
        self.sums.copy_(self.codebook)

    def loss(self, z: Tensor, q: Tensor) -> Tensor:
        """Commitment term () of z, q (N, D)."""
        return distortion(z, q, commitment=self.commitment_weight, codebook=0.0)

    def accumulate(self, rows: Tensor, codes: Tensor) -> None:
        """Add a micro-batch's rows (N, D) and codes (N,) to this step's sums."""
        super().accumulate(rows, codes)
        if self._sums is None:
            self._sums = torch.zeros_like(self.sums)
        self._sums.index_add_(0, codes, rows)

    def move(self, counts: Tensor) -> None:
        """One step of the averages; a step that saw no token changes nothing."""
        sums = torch.zeros_like(self.sums) if self._sums is None else self._sums
        self._sums = None
        sums = sum_over_ranks(sums)
        seen = counts.sum() > 0
        step = torch.where(seen, 1 - self.decay, 0.0)
        self.counts.lerp_(counts.to(self.counts), step)
        self.sums.lerp_(sums, step)
        total = self.counts.sum()
        smoothed = (self.counts + self.eps) / (total + self.codebook_size * self.eps) * total
        torch.div(self.sums, smoothed[:, None], out=sums)
        self.codebook.copy_(torch.where(seen, sums, self.codebook))

    @torch.no_grad()
    def place(self, codes: Tensor, vectors: Tensor, *, count: Tensor, share: Tensor) -> None:
        """Set the entries of `codes` (n,) to `vectors` (n, D), N toward `count`, M to match.

        Were only E set, the next step would put it back at the old M / N.
        """
        counts = torch.lerp(self.counts[codes], count.to(self.counts), share.flatten())
        self.codebook[codes] = vectors
        self.counts[codes] = counts
        self.sums[codes] = counts[:, None] * vectors


def _start(init: str | None, ema_init: str | None) -> str:
    """The `init` to use, which `ema_init` replaces."""
    if init in get_args(EmaInit):
        raise ConfigError(f"EMA init {init!r}: as a start of published code it is ema_init={init}")
    if ema_init is None:
        return init or "kmeans"
    if ema_init not in get_args(EmaInit):
        remedy = f"use init={ema_init}" if ema_init in get_args(Init) else "use zeros, ones or null"
        raise ConfigError(f"ema_init {ema_init!r}: {remedy}")
    if init is not None:
        raise ConfigError(
            f"init={init} with ema_init={ema_init}: each is a start of its own, leave one out"
        )
    return "normal"
