"""The contract every quantizer keeps.

Axes: B images, h w latent positions, K codes, D latent width, Q codebooks, N = B h w tokens.
"""

from abc import abstractmethod
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from vqx.quantizers.schedule import StepState
from vqx.quantizers.statistics import commitment_ratio, mean_norm


@dataclass(frozen=True, slots=True)
class Quantized:
    """What a quantizer makes of latents.

    latents (B, D, h, w) float32; codes (B, h, w) or (B, h, w, Q) int64 in [0, K); loss () float32;
    stats: detached () tensors on the same device, of this batch on this rank alone.
    """

    latents: Tensor
    codes: Tensor
    loss: Tensor
    stats: dict[str, Tensor] = field(default_factory=dict)


class Quantizer(nn.Module):
    """Maps latents to one of K codes, in float32 whatever autocast says.

    A training-mode forward only accumulates what learns without gradients; `update_codebook`,
    called once per optimizer step, reduces it over ranks and moves the state. The result is the
    same for any split of the batch over micro-batches and ranks.

    discrete: whether the latents of eval are decode(codes); a decoder behind another sees more than
    the codes say. codebooks: Q codes stand for one latent, each in [0, K); codes are then
    (B, h, w, Q), and for Q = 1 (B, h, w).
    `commitment_weight` and `codebook_weight` declare the loss beside its penalties:
    commitment_weight |compared(z) - sg(q)|^2 + codebook_weight |sg(compared(z)) - q|^2, means over
    elements. None declares a loss of another form, whose gradient is not checked.
    stochastic: whether a training-mode forward draws random numbers.
    statistics: whether a forward fills `Quantized.stats`; set it to False, on every module, where
    nobody reads them and tensors are so small that each pass counts.
    """

    codebook_size: int
    latent_channels: int
    codebooks: int = 1
    discrete: bool = True
    stochastic: bool = False
    statistics: bool = True
    commitment_weight: float | None = 0.0
    codebook_weight: float | None = 0.0

    def forward(self, z: Tensor) -> Quantized:
        """Quantize z (B, D, h, w) of any float dtype and memory format."""
        with torch.autocast(z.device.type, enabled=False):
            z = self._checked(z)
            out = self.quantize(z)
            return replace(out, stats=self._stats(z, out)) if self.statistics else out

    @abstractmethod
    def quantize(self, z: Tensor) -> Quantized:
        """`forward` for a checked float32 z with autocast off: what a quantizer implements."""

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor:
        """Latents (B, D, h, w) float32 of `codes`, int64 like forward's: exactly its in eval.

        Differentiable with respect to the parameters that entries are made of.
        """

    @property
    def needs_initialization(self) -> bool:
        """Whether `initialize` must be called before the first training step."""
        return False

    def initialize(self, z: Tensor, *, generator: torch.Generator | None = None) -> None:
        """Set the codebook from this rank's rows z (B, D, h, w) of the first global batch.

        Every rank calls it; `generator` is on the CPU and seeded alike everywhere.
        """

    def compared(self, z: Tensor) -> Tensor:
        """What of z (B, D, h, w) is compared with the codebook, shaped alike: z itself."""
        return z

    @property
    def needs_survey(self) -> bool:
        """Whether the loss depends on the batch as a whole, as the entropy of mean codes does."""
        return False

    @torch.no_grad()
    def survey(self, z: Tensor) -> None:
        """See z (B, D, h, w) of one of a step's micro-batches before the first forward of them.

        For a quantizer that `needs_survey`, when there are several micro-batches: each of them, in
        the order of the forward passes.
        """
        with torch.autocast(z.device.type, enabled=False):
            self.survey_float(self._checked(z))

    def survey_float(self, z: Tensor) -> None:
        """`survey` for a checked float32 z with autocast off."""

    def update_codebook(self, *, generator: torch.Generator | None = None) -> None:
        """Move the state that learns without gradients: once per optimizer step, on every rank."""
        for part in self.children():
            if isinstance(part, StepState):
                part.next_step()

    def reset_parameters(self) -> None:
        """Draw the initial codebook anew from torch's generator; nothing to draw by default."""

    def set_epoch_length(self, steps: float, *, run: int | None = None) -> None:
        """An epoch has `steps` optimizer steps, the run `run`: parts of them need to know."""
        for module in self.modules():
            if isinstance(module, StepState):
                module.set_epoch_length(steps, run=run)

    @torch.no_grad()
    def _stats(self, z: Tensor, out: Quantized) -> dict[str, Tensor]:
        """What every quantizer tells of a batch, unless it has told it already."""
        stats = {"latent_norm": mean_norm(z)}
        if "commitment_ratio" not in out.stats:
            stats["commitment_ratio"] = commitment_ratio(self.compared(z), out.latents)
        return {**stats, **out.stats}

    def _checked(self, z: Tensor) -> Tensor:
        if z.ndim != 4 or z.shape[1] != self.latent_channels:
            name, shape = type(self).__name__, tuple(z.shape)
            raise ValueError(f"{name} wants latents (B, {self.latent_channels}, h, w), got {shape}")
        return z.float()


def to_rows(z: Tensor) -> Tensor:
    """Token vectors (N, D) of z (B, D, h, w), in the order of codes.flatten()."""
    return z.movedim(1, -1).reshape(-1, z.shape[1])


def to_grid(rows: Tensor, codes: Tensor) -> Tensor:
    """Token vectors (N, D) as contiguous (B, D, h, w), for `codes` (B, h, w)."""
    return rows.view(*codes.shape, -1).movedim(-1, 1).contiguous()
