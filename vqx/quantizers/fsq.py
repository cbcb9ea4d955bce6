"""FSQ: each latent channel rounded to one of a few levels around 0.

Axes: B images, h w latent positions, D = L channels with levels[d] values each, K = prod(levels).
"""

from collections.abc import Sequence
from typing import Literal, get_args

import torch

from vqx.errors import ConfigError
from vqx.quantizers.levels import LevelQuantizer

Shift = Literal["atanh", "tan"]


class FSQ(LevelQuantizer):
    """Finite scalar quantization (Mentzer et al. 2023, arXiv 2309.15505, section 3.1).

    Per channel with l levels: half = (l - 1)(1 + eps) / 2, offset = 1/2 for even l, else 0,
    z' = tanh(z + atanh(offset / half)) half - offset, latent = round(z') / (l // 2) with a
    straight-through gradient, digit = round(z') + l // 2. code = sum of digits times basis
    (1, l_1, l_1 l_2, ...): the first channel varies fastest. There is no loss.

    eps > 0 widens the range, so that every level, 2 included, is reached with a margin; the paper's
    code narrows it, eps = -1e-3, which leaves atanh undefined for l = 2 (refused). As z = 0 is a
    level, the two of l = 2 meet far off, near z = -3.8: normal latents then say almost nothing.
    fsq_shift: "tan" for atanh is a slip in the paper's code, kept to repeat what was run with it:
    z = 0 then lands off the centre of an even channel.
    """

    # tanh(x) = 2 sigmoid(2 x) - 1, and a sigmoid is several times faster on a CPU.
    gain = 2.0

    def __init__(
        self, levels: Sequence[int], *, fsq_shift: Shift = "atanh", eps: float = 1e-3
    ) -> None:
        super().__init__(levels)
        if fsq_shift not in get_args(Shift):
            raise ConfigError(f"fsq_shift {fsq_shift!r}: use one of {', '.join(get_args(Shift))}")
        self.fsq_shift = fsq_shift
        self.eps = eps
        level = torch.tensor(self.levels)
        half = (level - 1) * (1 + eps) / 2
        offset = torch.where(level % 2 == 0, 0.5, 0.0)
        shift = (torch.atanh if fsq_shift == "atanh" else torch.tan)(offset / half)
        self.set_tables(
            shift=2 * shift,
            reach=2 * half,
            offset=half + offset,
            zero=level // 2,
            unit=1 / (level // 2),
        )
        self._check_reach()

    def _check_reach(self) -> None:
        """Refuse levels whose first or last digit rounding cannot give (the rest lie between)."""
        extremes = torch.tensor([-torch.inf, torch.inf])[:, None, None, None]
        rounded = self.in_levels(self.bound(extremes.expand(2, len(self.levels), 1, 1))).round()
        digits = rounded + self.zero
        ends = torch.stack([torch.zeros_like(self.level), self.level - 1])
        as_wanted = (digits == ends).flatten(1).all(0).tolist()
        for level, reached in zip(self.levels, as_wanted, strict=True):
            if not reached:
                raise ConfigError(
                    f"{type(self).__name__} level {level} with eps {self.eps} has codes that no "
                    "latent reaches: use fewer levels or an eps nearer to (and above) 0"
                )
