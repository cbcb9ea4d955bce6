"""What scalar quantizers share: each latent channel rounded to one of a few levels.

Axes: B images, h w latent positions, D = L channels with levels[d] values each, K = prod(levels).
"""

import math
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, Self

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vqx.errors import ConfigError
from vqx.quantizers.base import Quantized, Quantizer

# Whole numbers up to here are exact in float32, and in float64.
EXACT_FLOAT32 = 2**24
EXACT_FLOAT64 = 2**53


class LevelQuantizer(Quantizer):
    """Channels squashed by a sigmoid, scaled to the spacing of their levels and rounded.

    y = sigmoid(gain z + shift) reach - offset, latent = round(y) unit with the gradient of y unit,
    digit = round(y) + zero in [0, l). code = sum of digits times basis (1, l_1, l_1 l_2, ...): the
    first channel varies fastest. There is no loss.

    A family calls `set_tables` in its constructor. Tables are (D, 1, 1); they follow from the
    configuration, so that no checkpoint has them, and stay exact when a model is cast.
    """

    gain: float = 1.0
    level: Tensor
    place: Tensor
    basis: Tensor
    shift: Tensor
    reach: Tensor
    offset: Tensor
    zero: Tensor
    unit: Tensor
    slope: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        name = type(self).__name__
        self.levels = _checked(levels, name)
        self.codebook_size = math.prod(self.levels)
        self.latent_channels = len(self.levels)
        if self.codebook_size > EXACT_FLOAT64:
            raise ConfigError(f"{name} levels {list(levels)}: use a product of at most 2**53")
        self._tables: dict[str, Tensor] = {}

    def quantize(self, z: Tensor) -> Quantized:
        """Nearest grid points of z (B, D, h, w) float32."""
        with torch.no_grad():
            bounded = self.bound(z)
            y = self.in_levels(bounded)
            rounded = y.round()
            codes = self.codes_of(rounded, self.lowest)
        latents = self.straight_through(z, bounded, rounded, self.unit)
        return self.result(latents, codes, y)

    def straight_through(self, z: Tensor, bounded: Tensor, rounded: Tensor, unit: Tensor) -> Tensor:
        """Latents rounded * unit with the gradient of compared(z), of which `bounded` is a part."""
        latents: Tensor = _StraightThrough.apply(z, bounded, rounded, unit, self.slope)
        return latents

    def result(self, latents: Tensor, codes: Tensor, y: Tensor) -> Quantized:
        """What `quantize` returns, given levels y (B, D, h, w) before rounding, overwritten."""
        if not self.statistics:
            return Quantized(latents, codes, y.new_zeros(()))
        # commitment_ratio(compared(z), latents), without another pass through the sigmoid.
        size = torch.linalg.vector_norm(y.mul_(self.unit)).clamp(min=torch.finfo(y.dtype).tiny)
        distance = torch.linalg.vector_norm(y.sub_(latents.detach()))
        stats = {"commitment_ratio": (distance / size).square()}
        return Quantized(latents, codes, y.new_zeros(()), stats)

    def bound(self, z: Tensor) -> Tensor:
        """z (B, D, h, w) squashed to (0, 1), contiguous."""
        return torch.add(self.shift, z.contiguous(), alpha=self.gain).sigmoid_()

    def in_levels(self, bounded: Tensor) -> Tensor:
        """`bound`'s (B, D, h, w) in the spacing of levels, which are whole numbers."""
        return (bounded * self.reach).sub_(self.offset)

    def codes_of(self, rounded: Tensor, lowest: float) -> Tensor:
        """Codes (B, h, w) int64 of levels (B, D, h, w), the first of which sum to -`lowest`."""
        # Exact, unlike a matrix product, which may be computed in TF32 or bfloat16.
        codes = (rounded * self.basis).sum(1).add_(lowest)
        # A NaN must show as a NaN latent, not as an index out of range.
        return codes.nan_to_num_(0.0).long()

    def compared(self, z: Tensor) -> Tensor:
        """The bounded z (B, D, h, w), in units of the latents."""
        return self.in_levels(self.bound(z)) * self.unit

    def decode(self, codes: Tensor) -> Tensor:
        """Grid points of `codes` (B, h, w) int64 as latents (B, D, h, w) float32."""
        return (self.digits(codes) - self.zero) * self.unit

    def digits(self, codes: Tensor) -> Tensor:
        """Digits (B, D, h, w) int64, channel d's in [0, levels[d]), of `codes` (B, h, w)."""
        return codes[:, None] // self.place % self.level

    def extra_repr(self) -> str:
        """The levels, for printing."""
        return f"levels={list(self.levels)}"

    def set_tables(
        self, *, shift: Tensor, reach: Tensor, offset: Tensor, zero: Tensor, unit: Tensor
    ) -> None:
        """Set the constants (D,) of the levels, see above."""
        place = torch.tensor([math.prod(self.levels[:i]) for i in range(len(self.levels))])
        exact = torch.float32 if self.codebook_size <= EXACT_FLOAT32 else torch.float64
        self.lowest = float((zero * place).sum())
        self.add_tables(level=torch.tensor(self.levels), place=place, basis=place.to(exact))
        self.add_tables(shift=shift, reach=reach, offset=offset, zero=zero.float(), unit=unit)
        self.add_tables(slope=self.gain * reach * unit)

    def add_tables(self, **tables: Tensor) -> None:
        """Add constants (D,), as buffers (D, 1, 1)."""
        for name, table in tables.items():
            self._tables[name] = table[:, None, None]
            self.register_buffer(name, self._tables[name].clone(), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Follow the model to its device, but not to a dtype in which codes would be wrong."""
        super()._apply(fn, recurse)
        for name, table in self._tables.items():
            setattr(self, name, table.to(getattr(self, name).device))
        return self


class _StraightThrough(torch.autograd.Function):
    """rounded * unit, with the gradient of z -> bounded z * slope, bounded = sigmoid(...)."""

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, bounded: Tensor, rounded: Tensor, unit: Tensor, slope: Tensor
    ) -> Tensor:
        ctx.save_for_backward(bounded, slope)
        return rounded * unit

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        bounded, slope = ctx.saved_tensors
        of_sigmoid = torch.ops.aten.sigmoid_backward(gradient, bounded)
        return of_sigmoid.mul_(slope), None, None, None, None


def _checked(levels: Sequence[int], name: str) -> tuple[int, ...]:
    if not isinstance(levels, Sequence) or isinstance(levels, str):
        raise ConfigError(f"{name} levels {levels!r}: use a list, like levels=[8,5,5,5]")
    if not levels or not all(isinstance(level, Integral) and level >= 2 for level in levels):
        raise ConfigError(f"{name} levels {list(levels)}: use whole numbers of at least 2")
    return tuple(int(level) for level in levels)
