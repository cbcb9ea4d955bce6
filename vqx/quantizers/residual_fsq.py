"""ResidualFSQ: the steps of FSQ's grid divided again and again.

Axes: B images, h w latent positions, D = L channels with levels[d] values each, Q stages,
K = prod(levels) codes of each stage.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from vqx.errors import ConfigError
from vqx.quantizers.base import Quantized
from vqx.quantizers.dropout import ABSENT, draw_stages
from vqx.quantizers.fsq import FSQ, Shift
from vqx.quantizers.levels import EXACT_FLOAT32


class ResidualFSQ(FSQ):
    """FSQ, then Q - 1 stages that each divide a channel's step into l more.

    Stage 0 is FSQ: y = bound(z) in steps, d_0 = round(y), and the remainder y - d_0 lies in half a
    step to either side. Each further stage multiplies the remainder by l, which then covers l whole
    steps, and rounds to the middle c of one, (1 - l) / 2, ..., (l - 1) / 2. The latent is (d_0 +
    c_1 / l + c_2 / l^2 + ...) / (l // 2): its error is at most l^-(Q - 1) half steps of FSQ. (A
    residual FSQ that squashes the remainder with tanh again, at a scale of (l - 1)^-i, never gets
    to its outer levels.) The gradient is that of the bound, straight through. There is no loss.
    Of FSQ's first and last step only the inner half is reached; an eps just under 1 / (l - 1) makes
    both whole, and the codes of further stages richer: for l = 2 by a bit and more.

    codes (B, h, w, Q), for Q = 1 (B, h, w): each stage's is coded as FSQ's. `decode` takes any
    first few of them, and -1 for a stage that an image does without.
    quantizer_dropout: in training an image keeps only its first few stages with this probability.
    """

    levels_float: Tensor
    edge: Tensor
    fine_unit: Tensor

    def __init__(
        self,
        levels: Sequence[int],
        stages: int,
        *,
        quantizer_dropout: float = 0.0,
        fsq_shift: Shift = "atanh",
        eps: float = 1e-3,
    ) -> None:
        super().__init__(levels, fsq_shift=fsq_shift, eps=eps)
        if stages < 1:
            raise ConfigError(f"ResidualFSQ stages {stages}: use 1 or more")
        if max(self.levels) ** stages > EXACT_FLOAT32:
            raise ConfigError(
                f"ResidualFSQ stages {stages} of {max(self.levels)} levels are finer than float32: "
                "use fewer, so that levels ** stages is at most 2**24"
            )
        if not 0 <= quantizer_dropout <= 1:
            raise ConfigError(f"quantizer_dropout {quantizer_dropout}: use a number from 0 to 1")
        self.stages = self.codebooks = stages
        self.quantizer_dropout = quantizer_dropout
        self.stochastic = quantizer_dropout > 0
        level = torch.tensor(self.levels).float()
        self.add_tables(levels_float=level, edge=(level - 1) / 2)
        self.add_tables(fine_unit=1 / (level // 2 * level ** (stages - 1)))

    def quantize(self, z: Tensor) -> Quantized:
        """Grid points of the last stage nearest to z (B, D, h, w) float32."""
        with torch.no_grad():
            bounded = self.bound(z)
            y = self.in_levels(bounded)
            position, codes = self._refine(y, self._stages_kept(z))
        latents = self.straight_through(z, bounded, position, self.fine_unit)
        return self.result(latents, codes, y)

    def decode(self, codes: Tensor) -> Tensor:
        """Latents (B, D, h, w) of `codes` (B, h, w, n) int64 of the first n <= Q stages.

        (B, h, w) stands for n = 1. A code of -1 adds nothing.
        """
        if codes.ndim == 3:
            codes = codes[..., None]
        missing = self.stages - codes.shape[-1]
        if missing < 0:
            raise ValueError(f"codes of {codes.shape[-1]} stages: there are {self.stages}")
        first, *others = F.pad(codes, (0, missing), value=ABSENT).unbind(-1)
        position = (self.digits(first) - self.zero) * (first != ABSENT)[:, None]
        for stage in others:
            middle = (self.digits(stage) - self.edge) * (stage != ABSENT)[:, None]
            position = position * self.levels_float + middle
        return position * self.fine_unit

    def extra_repr(self) -> str:
        """Levels and stages, for printing."""
        return f"{super().extra_repr()}, stages={self.stages}"

    def _stages_kept(self, z: Tensor) -> Tensor | None:
        """How many stages each image keeps, (B, 1, 1, 1); None: all do."""
        if not (self.training and self.quantizer_dropout):
            return None
        share = self.quantizer_dropout
        return draw_stages(len(z), self.stages, share, device=z.device)[:, None, None, None]

    def _refine(self, y: Tensor, kept: Tensor | None) -> tuple[Tensor, Tensor]:
        """Positions (B, D, h, w) of y, in the steps of the last stage, and their codes.

        Positions are multiples of 1/2 of at most 2^23: exact, as decode's are.
        """
        position = y.round()
        rest = y - position
        codes = [self.codes_of(position, self.lowest)]
        for stage in range(1, self.stages):
            rest *= self.levels_float
            # The clamp is for a remainder of exactly half a step.
            middle = torch.clamp((rest - self.edge).round_().add_(self.edge), -self.edge, self.edge)
            rest -= middle
            code = self.codes_of(middle, (self.codebook_size - 1) / 2)
            if kept is not None:
                code = code.where(stage < kept[:, 0], ABSENT)
                middle *= stage < kept
            codes.append(code)
            position = position * self.levels_float + middle
        return position, torch.stack(codes, -1) if self.stages > 1 else codes[0]
