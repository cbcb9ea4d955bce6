"""The contract every quantizer keeps.

Axes: B images, h w latent positions, K codes, D latent width, N = B h w tokens.
"""

from abc import abstractmethod
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Quantized:
    """What a quantizer makes of latents.

    latents (B, D, h, w) float32; codes (B, h, w) int64 in [0, K); loss () float32;
    stats: detached () tensors on the same device, of this batch on this rank alone.
    """

    latents: Tensor
    codes: Tensor
    loss: Tensor
    stats: dict[str, Tensor] = field(default_factory=dict)


class Quantizer(nn.Module):
    """Maps latents to the nearest of K codes, in float32 whatever autocast says.

    A training-mode forward only accumulates what learns without gradients; `update_codebook`,
    called once per optimizer step, reduces it over ranks and moves the state. The result is the
    same for any split of the batch over micro-batches and ranks.

    `commitment_weight` and `codebook_weight` declare the loss: its gradient is w 2 (z - q) / (N D)
    with respect to z, and w 2 (q - z) / (N D), summed over each code's tokens, with respect to
    `self.codebook`. None declares a loss of another form, whose gradient is not checked.
    """

    codebook_size: int
    latent_channels: int
    discrete: bool = True
    commitment_weight: float | None = 0.0
    codebook_weight: float | None = 0.0

    def forward(self, z: Tensor) -> Quantized:
        """Quantize z (B, D, h, w) of any float dtype and memory format."""
        if z.ndim != 4 or z.shape[1] != self.latent_channels:
            name, shape = type(self).__name__, tuple(z.shape)
            raise ValueError(f"{name} wants latents (B, {self.latent_channels}, h, w), got {shape}")
        with torch.autocast(z.device.type, enabled=False):
            return self.quantize(z.float())

    @abstractmethod
    def quantize(self, z: Tensor) -> Quantized:
        """`forward` for a checked float32 z with autocast off: what a quantizer implements."""

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor:
        """Latents (B, D, h, w) float32 of `codes` (B, h, w) int64: exactly forward's in eval."""

    @property
    def needs_initialization(self) -> bool:
        """Whether `initialize` must be called before the first training step."""
        return False

    def initialize(self, z: Tensor, *, generator: torch.Generator | None = None) -> None:
        """Set the codebook from this rank's rows z (B, D, h, w) of the first global batch.

        Every rank calls it; `generator` is on the CPU and seeded alike everywhere.
        """

    def update_codebook(self, *, generator: torch.Generator | None = None) -> None:
        """Move the state that learns without gradients: once per optimizer step, on every rank."""


def to_rows(z: Tensor) -> Tensor:
    """Token vectors (N, D) of z (B, D, h, w), in the order of codes.flatten()."""
    return z.movedim(1, -1).reshape(-1, z.shape[1])


def to_grid(rows: Tensor, codes: Tensor) -> Tensor:
    """Token vectors (N, D) as contiguous (B, D, h, w), for `codes` (B, h, w)."""
    return rows.view(*codes.shape, -1).movedim(-1, 1).contiguous()
