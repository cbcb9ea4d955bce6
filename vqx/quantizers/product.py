"""Product quantization: channels in groups, each with a quantizer of its own.

Axes: B images, h w latent positions, D latent width, G groups, Q codebooks.
"""

import torch
from torch import Tensor

from vqx.quantizers.base import Quantized, Quantizer
from vqx.quantizers.checks import require_sizes
from vqx.quantizers.composite import Composite, copies, mean_stats, split_codes


class Product(Composite):
    """Product quantization (Jegou et al. 2011) with `groups` copies of `base`.

    D = G base.latent_channels channels are cut into G contiguous groups, the first for the first
    copy; latents are joined in the same order. codes (B, h, w, G), or for a base of Q codebooks
    (B, h, w, G Q), group by group. It is discrete if the base is.

    Loss: the mean over groups. So commitment and codebook terms stay means over all elements, and a
    penalty (an entropy, say) weighs against them as in the base alone: it is the mean of the
    groups' entropies, not the entropy of the joint code, which is up to G times as large.
    stats: the mean over groups of the base's own; `commitment_ratio` is of all channels together.
    """

    def __init__(self, base: Quantizer, groups: int) -> None:
        super().__init__()
        require_sizes(groups=groups)
        self.groups = groups
        self.codebook_size = base.codebook_size
        self.latent_channels = groups * base.latent_channels
        self.codebooks = groups * base.codebooks
        self.discrete, self.stochastic = base.discrete, base.stochastic
        self.commitment_weight = base.commitment_weight
        # Each group has its codebook: no one parameter has the declared gradient.
        self.codebook_weight = None if base.codebook_weight else base.codebook_weight
        self.parts = copies(base, groups)

    def quantize(self, z: Tensor) -> Quantized:
        """Each group of channels of z (B, D, h, w) float32 by its own quantizer."""
        outs = [part.quantize(x) for part, x in self._groups(z)]
        codes = torch.cat([out.codes.view(*out.codes.shape[:3], -1) for out in outs], dim=-1)
        return Quantized(
            torch.cat([out.latents for out in outs], dim=1).contiguous(),
            codes.squeeze(-1) if self.codebooks == 1 else codes,
            torch.stack([out.loss for out in outs]).mean(),
            mean_stats([out.stats for out in outs]),
        )

    def decode(self, codes: Tensor) -> Tensor:
        """Latents (B, D, h, w) of `codes` (B, h, w, G Q)."""
        columns = torch.stack(list(split_codes(codes, self.codebooks)), dim=-1)
        each = columns.unflatten(-1, (self.groups, -1)).unbind(-2)  # G of (B, h, w, Q)
        if self.codebooks == self.groups:
            each = tuple(group.squeeze(-1) for group in each)
        latents = [part.decode(group) for part, group in zip(self.quantizers, each, strict=True)]
        return torch.cat(latents, dim=1).contiguous()

    def initialize(self, z: Tensor, *, generator: torch.Generator | None = None) -> None:
        """Set each group's codebook from its channels of z (B, D, h, w)."""
        for part, x in self._groups(z):
            part.initialize(x, generator=generator)

    def compared(self, z: Tensor) -> Tensor:
        """What each group compares with its codebook, joined: (B, D, h, w)."""
        return torch.cat([part.compared(x) for part, x in self._groups(z)], dim=1)

    def survey_float(self, z: Tensor) -> None:
        """Let every group that needs it see its channels of z (B, D, h, w)."""
        for part, x in self._groups(z):
            if part.needs_survey:
                part.survey_float(x)

    def extra_repr(self) -> str:
        """How many groups."""
        return f"groups={self.groups}"

    def _groups(self, z: Tensor) -> list[tuple[Quantizer, Tensor]]:
        return list(zip(self.quantizers, z.chunk(self.groups, dim=1), strict=True))
