"""Quantizers made of several others.

Axes: B images, h w latent positions, D latent width, Q codebooks.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from vqx.quantizers.base import Quantizer


class Composite(Quantizer):
    """A quantizer of `parts`, each told of what happens to the whole.

    State, schedules and restarts of a part are its own: `update_codebook`, `initialize` and the
    survey reach every one of them.
    """

    parts: nn.ModuleList

    @property
    def quantizers(self) -> list[Quantizer]:
        """The parts, each once."""
        return [cast(Quantizer, part) for part in self.parts]

    @property
    def needs_initialization(self) -> bool:
        """Whether `initialize` must be called before the first training step."""
        return any(part.needs_initialization for part in self.quantizers)

    @property
    def needs_survey(self) -> bool:
        """Whether the loss of a part depends on the batch as a whole."""
        return any(part.needs_survey for part in self.quantizers)

    def update_codebook(self, *, generator: torch.Generator | None = None) -> None:
        """Move the state of every part: once per optimizer step, on every rank."""
        super().update_codebook(generator=generator)
        for part in self.quantizers:
            part.update_codebook(generator=generator)

    def reset_parameters(self) -> None:
        """Draw every part's initial codebook anew from torch's generator."""
        for part in self.quantizers:
            part.reset_parameters()


def copies(base: Quantizer, count: int) -> nn.ModuleList:
    """`count` independent copies of `base`; all but the first with a codebook drawn anew."""
    parts = [copy.deepcopy(base) for _ in range(count)]
    for part in parts[1:]:
        part.reset_parameters()
    return nn.ModuleList(parts)


def split_codes(codes: Tensor, codebooks: int, *, most: int | None = None) -> Sequence[Tensor]:
    """Codes (B, h, w) of each codebook, from (B, h, w, Q), or (B, h, w) for Q = 1.

    Raises ValueError for anything but `codebooks` columns, or 1 to `most` of them.
    """
    columns = codes[..., None] if codes.ndim == 3 and codebooks == 1 else codes
    fewest = codebooks if most is None else 1
    if columns.ndim != 4 or not fewest <= columns.shape[-1] <= (most or codebooks):
        wanted = "(B, h, w)" if codebooks == 1 else f"(B, h, w, {codebooks})"
        raise ValueError(f"codes must be {wanted}, got {tuple(codes.shape)}")
    return columns.unbind(-1)


def join_codes(codes: Iterable[Tensor]) -> Tensor:
    """`split_codes` undone: (B, h, w, Q), or (B, h, w) if there is but one."""
    columns = list(codes)
    return columns[0] if len(columns) == 1 else torch.stack(columns, dim=-1)


def mean_stats(stats: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean over the parts of each of their statistics, but for `commitment_ratio`.

    That of the whole is not the mean of the parts': Quantizer.forward takes it of the whole.
    """
    names = [name for name in stats[0] if name != "commitment_ratio"]
    return {name: torch.stack([part[name] for part in stats]).mean() for name in names}
