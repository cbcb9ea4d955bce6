"""SoftQuantize: codes from the inner products of normalized latents with a codebook.

Axes: B images, h w latent positions, K codes, D latent width, N = B h w tokens.
"""

from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vqx.errors import ConfigError
from vqx.quantizers.base import Quantized, Quantizer, to_grid, to_rows
from vqx.quantizers.estimator import straight_through
from vqx.quantizers.mixture import Draw, softmax_mixture
from vqx.quantizers.nearest import best_codes
from vqx.quantizers.statistics import mean_norm

Variant = Literal["softmax", "attention", "argmax"]


class SoftQuantize(Quantizer):
    """The quantizers of MinVQVAE (github.com/donglinkang2021/MinVQVAE), with u = LayerNorm(z).

    "softmax" (its SoftQuantize): latents p E with p = softmax(u E^T / sqrt(D)), E ~ N(0, 1) a
    buffer that is not trained, gradient straight through to u.
    "attention" (its AttentionQuantize without the mask that hides later codes from earlier tokens,
    and its SoftmaxQuantize): the same latents, E trained, the gradient that of p E.
    "argmax" (its ArgmaxQuantize): latents E_i, half of the gradient straight to u, half to E_i.

    Codes are i = argmax u E^T, the first of equals. The first two are not discrete: the decoder
    sees the mixture, in eval too, which decode(codes), the entries, is far from. There is no loss;
    no more than three buffers of max(2^19, 32 K) scores (2^25 on a GPU) are held.

    LayerNorm leaves fewer than 3 channels nothing but signs: refused.
    """

    def __init__(
        self, codebook_size: int, latent_channels: int, *, variant: Variant = "softmax"
    ) -> None:
        super().__init__()
        if type(codebook_size) is not int or codebook_size < 1:
            raise ConfigError(f"codebook_size {codebook_size}: use a whole number of at least 1")
        if type(latent_channels) is not int or latent_channels < 3:
            raise ConfigError(
                f"latent_channels {latent_channels}: use a whole number of at least 3, since "
                "LayerNorm leaves fewer nothing but signs"
            )
        if variant not in get_args(Variant):
            raise ConfigError(f"variant {variant!r}: use one of {', '.join(get_args(Variant))}")
        self.codebook_size, self.latent_channels, self.variant = (
            codebook_size,
            latent_channels,
            variant,
        )
        self.discrete = variant == "argmax"
        self.norm = nn.LayerNorm(latent_channels)
        self.codebook: Tensor
        codebook = torch.empty(codebook_size, latent_channels)
        if variant == "softmax":
            self.register_buffer("codebook", codebook)
        else:
            self.codebook = nn.Parameter(codebook)
        self.reset_parameters()

    def quantize(self, z: Tensor) -> Quantized:
        """Mixtures, or for "argmax" entries, for z (B, D, h, w) float32."""
        rows = self.norm(to_rows(z))
        if self.variant == "argmax":
            latents, codes = self._entries(rows)
        elif self.variant == "attention":
            latents, codes = self._mixtures(rows)
        else:
            with torch.no_grad():
                mixtures, codes = self._mixtures(rows)
            latents = straight_through(rows, mixtures)
        grid = codes.view(z.shape[0], *z.shape[2:])
        # 0; NaN where z is, which an entry would hide.
        loss = rows.detach().sum() * 0.0
        stats = {"codebook_norm": mean_norm(self.codebook)}
        return Quantized(to_grid(latents, grid), grid, loss, stats)

    def compared(self, z: Tensor) -> Tensor:
        """The normalized z (B, D, h, w)."""
        return self.norm(z.movedim(1, -1)).movedim(-1, 1)

    def decode(self, codes: Tensor) -> Tensor:
        """Codebook entries of `codes` (B, h, w) int64 as latents (B, D, h, w) float32."""
        return to_grid(F.embedding(codes.flatten(), self.codebook), codes)

    def reset_parameters(self) -> None:
        """Draw the codebook anew from torch's generator; the normalization starts afresh."""
        nn.init.normal_(self.codebook)
        self.norm.reset_parameters()

    def extra_repr(self) -> str:
        """The variant, for printing."""
        return f"variant={self.variant}"

    def _mixtures(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        bias = self.codebook.new_zeros(self.codebook_size)
        temperature = rows.new_full((), self.latent_channels**0.5)
        draw = Draw(seed=None, hard=False)
        mixtures, _, codes = softmax_mixture(
            rows, self.codebook, bias, self.codebook, temperature, draw
        )
        return mixtures, codes

    def _entries(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        codes = best_codes(rows, self.codebook)
        entries: Tensor = _HalfStraight.apply(rows, F.embedding(codes, self.codebook))
        return entries, codes


class _HalfStraight(torch.autograd.Function):
    """The values of q, exactly, with half of the gradient for q and half for z."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, q: Tensor) -> Tensor:
        return q.view_as(q)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        half = gradients[0] / 2
        return half, half
