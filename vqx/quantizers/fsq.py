"""FSQ: each latent channel rounded to one of a few levels.

Axes: B images, h w latent positions, D = L channels with levels[d] values each, K = prod(levels).
"""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from vqx.errors import ConfigError
from vqx.quantizers.base import Quantized, Quantizer
from vqx.quantizers.estimator import straight_through

Shift = Literal["atanh", "tan"]


class FSQ(Quantizer):
    """Finite scalar quantization (Mentzer et al. 2023, arXiv 2309.15505, section 3.1).

    Per channel with l levels: half = (l - 1)(1 + eps) / 2, offset = 1/2 for even l, else 0,
    z' = tanh(z + atanh(offset / half)) half - offset, latent = round(z') / (l // 2) with a
    straight-through gradient, digit = round(z') + l // 2. code = sum of digits times basis
    (1, l_1, l_1 l_2, ...): the first channel varies fastest. There is no loss.

    eps > 0 widens the range, so that every level, 2 included, is reached with a margin; the paper's
    code narrows it, eps = -1e-3, which leaves atanh undefined for l = 2 (refused).
    fsq_shift: "tan" for atanh is a slip in the paper's code, kept to repeat what was run with it:
    z = 0 then lands off the centre of an even channel.
    """

    level: Tensor
    basis: Tensor
    half_range: Tensor
    half_width: Tensor
    offset: Tensor
    shift: Tensor

    def __init__(
        self, levels: Sequence[int], *, fsq_shift: Shift = "atanh", eps: float = 1e-3
    ) -> None:
        super().__init__()
        if not isinstance(levels, Sequence):
            raise ConfigError(f"FSQ levels {levels}: use a list, like levels=[8,5,5,5]")
        if not levels or min(levels) < 2:
            raise ConfigError(f"FSQ levels {list(levels)}: use whole numbers of at least 2")
        if fsq_shift not in get_args(Shift):
            raise ConfigError(f"fsq_shift {fsq_shift!r}: use one of {', '.join(get_args(Shift))}")
        self.levels = tuple(int(level) for level in levels)
        self.codebook_size = math.prod(self.levels)
        self.latent_channels = len(self.levels)
        self.fsq_shift = fsq_shift
        self.eps = eps
        self._add_tables()
        self._check_reach()

    def quantize(self, z: Tensor) -> Quantized:
        """Nearest grid points of z (B, D, h, w) float32."""
        z = z.movedim(1, -1)  # (B, h, w, D)
        bounded = self.bound(z)
        grid = straight_through(bounded, bounded.round())
        codes = self._codes(grid.detach())
        latents = (grid / self.half_width).movedim(-1, 1).contiguous()
        return Quantized(latents, codes, z.new_zeros(()))

    def compared(self, z: Tensor) -> Tensor:
        """The bounded z (B, D, h, w), in units of the latents."""
        return (self.bound(z.movedim(1, -1)) / self.half_width).movedim(-1, 1)

    def extra_repr(self) -> str:
        """The levels, for printing."""
        return f"levels={list(self.levels)}"

    def decode(self, codes: Tensor) -> Tensor:
        """Grid points of `codes` (B, h, w) int64 as latents (B, D, h, w) float32."""
        digits = codes[..., None] // self.basis % self.level
        return ((digits - self.half_width) / self.half_width).movedim(-1, 1).contiguous()

    def bound(self, z: Tensor) -> Tensor:
        """z (..., D) squashed so that rounding gives each channel's levels and no other."""
        return torch.tanh(z + self.shift) * self.half_range - self.offset

    def _codes(self, grid: Tensor) -> Tensor:
        # A NaN must show as a NaN loss, not as an index out of range.
        digits = (grid + self.half_width).nan_to_num(0.0).long()
        return (digits * self.basis).sum(-1)

    def _add_tables(self) -> None:
        """Constants (D,) of the levels: they follow from the configuration, so no checkpoint."""
        level = torch.tensor(self.levels)
        half = (level - 1) * (1 + self.eps) / 2
        offset = torch.where(level % 2 == 0, 0.5, 0.0)
        shift = torch.atanh if self.fsq_shift == "atanh" else torch.tan
        basis = level.new_tensor([math.prod(self.levels[:i]) for i in range(len(self.levels))])
        tables = {
            "level": level,
            "half_range": half,
            "offset": offset,
            "shift": shift(offset / half),
        }
        for name, table in {**tables, "basis": basis, "half_width": level // 2}.items():
            self.register_buffer(name, table, persistent=False)

    def _check_reach(self) -> None:
        """Refuse levels whose first or last digit rounding cannot give (the rest lie between)."""
        extremes = torch.tensor([-torch.inf, torch.inf])[:, None].expand(2, len(self.levels))
        digits = self.bound(extremes).round() + self.half_width
        ends = torch.stack([torch.zeros_like(self.level), self.level - 1])
        for level, reached in zip(self.levels, (digits == ends).all(0).tolist(), strict=True):
            if not reached:
                raise ConfigError(
                    f"FSQ level {level} with eps {self.eps} has codes that no latent reaches: "
                    "use fewer levels or an eps nearer to (and above) 0"
                )
