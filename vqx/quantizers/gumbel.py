"""Gumbel: codes drawn from a categorical distribution, relaxed to mixtures in training.

Axes: B images, h w latent positions, K codes, D latent width, N = B h w tokens.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vqx.durations import Duration
from vqx.quantizers.base import Quantized, Quantizer, to_grid, to_rows
from vqx.quantizers.checks import require_positive, require_sizes, require_weights
from vqx.quantizers.mixture import Draw, softmax_mixture
from vqx.quantizers.penalty import Penalty
from vqx.quantizers.schedule import Scheduled, Shape
from vqx.quantizers.statistics import mean_norm


class UniformPenalty(Penalty):
    """weight KL(p | uniform): keeps each token's distribution over codes wide.

    ramp: steps, or text like "2 epochs", over which the weight goes linearly from `start`.
    """

    def __init__(
        self,
        weight: float,
        *,
        start: float = 0.0,
        ramp: Duration | None = None,
        shape: Shape = "linear",
    ) -> None:
        super().__init__()
        require_weights(kl_weight=weight, kl_start=start)
        self.weight = Scheduled(start, weight, over=ramp, shape=shape, name="kl_ramp")

    def forward(self, divergence: Tensor) -> Tensor:
        """The term () from the tokens' mean divergence ()."""
        return self.weight() * divergence if self.enabled else divergence.new_zeros(())

    def next_step(self) -> None:
        """One step further."""
        self.weight.next_step()


class Gumbel(Quantizer):
    """Gumbel-softmax quantization (Jang et al. 2016, arXiv 1611.01144; DALL-E, arXiv 2102.12092).

    A linear layer gives K logits l of each latent. In training the decoder sees the mixture
    softmax((l + g) / temperature) E of the codebook's entries, with Gumbel noise g; with
    `straight_through` the entry that g chooses, with the mixture's gradient. In eval there is no
    noise: the entry of the largest logit, which is the code in training too.
    Loss kl_weight KL(softmax(l) | uniform), mean over tokens.

    Temperature and KL weight go from start to end in the ramps: steps, or text like "15 epochs" or
    "75%" of the run; None for their end from the first step on. The defaults suit some hundred
    steps: a toy autoencoder then used 17 % of 256 codes after 400, and 7 % with a KL weight of
    5e-4.

    Codes are chosen by logits, not by distance: so there is nothing to commit to, to restart by
    distance or to initialise from latents, and the gradient needs no estimator.
    """

    stochastic = True

    def __init__(
        self,
        codebook_size: int,
        latent_channels: int,
        *,
        kl_weight: float = 0.00859375,
        kl_start: float = 0.0,
        kl_ramp: Duration | None = 100,
        kl_shape: Shape = "linear",
        temperature_start: float = 1.0,
        temperature_end: float = 1 / 16,
        temperature_ramp: Duration | None = 300,
        temperature_shape: Shape = "cosine",
        straight_through: bool = False,
    ) -> None:
        super().__init__()
        require_sizes(codebook_size=codebook_size, latent_channels=latent_channels)
        require_positive(temperature_start=temperature_start, temperature_end=temperature_end)
        self.codebook_size, self.latent_channels = codebook_size, latent_channels
        self.straight_through = straight_through
        self.logits = nn.Linear(latent_channels, codebook_size)
        self.codebook = nn.Parameter(torch.empty(codebook_size, latent_channels))
        self.reset_parameters()
        self.penalty = UniformPenalty(kl_weight, start=kl_start, ramp=kl_ramp, shape=kl_shape)
        self.temperature = Scheduled(
            temperature_start,
            temperature_end,
            over=temperature_ramp,
            shape=temperature_shape,
            name="temperature_ramp",
        )

    def quantize(self, z: Tensor) -> Quantized:
        """Mixtures, in eval entries, for z (B, D, h, w) float32."""
        temperature = self.temperature()
        hard = self.straight_through or not self.training
        latents, divergence, codes = softmax_mixture(
            to_rows(z),
            self.logits.weight,
            self.logits.bias,
            self.codebook,
            temperature,
            Draw(_seed() if self.training else None, hard),
        )
        grid = codes.view(z.shape[0], *z.shape[2:])
        stats = {
            "codebook_norm": mean_norm(self.codebook),
            "temperature": temperature.clone(),
            "kl": divergence.detach(),
        }
        return Quantized(to_grid(latents, grid), grid, self.penalty(divergence), stats)

    def decode(self, codes: Tensor) -> Tensor:
        """Codebook entries of `codes` (B, h, w) int64 as latents (B, D, h, w) float32."""
        return to_grid(F.embedding(codes.flatten(), self.codebook), codes)

    def reset_parameters(self) -> None:
        """Draw codebook and logits layer anew from torch's generator."""
        nn.init.normal_(self.codebook)
        self.logits.reset_parameters()

    def extra_repr(self) -> str:
        """What printing the parts does not show."""
        return f"straight_through={self.straight_through}"


@torch.compiler.disable
def _seed() -> int:
    """A seed from torch's generator on the CPU: reading it waits for no device."""
    return int(torch.randint(1 << 62, ()))
