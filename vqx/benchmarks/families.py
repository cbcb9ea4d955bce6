"""What `python -m vqx.bench quantizers` compares, and what is wanted of each.

Axes: N tokens, K codes, D latent width.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from vqx.benchmarks import ours, peers

if TYPE_CHECKING:
    from torch import nn

    from vqx.quantizers.base import Quantizer

Grid = Literal["codes", "bits", "levels"]
Floor = Literal["product", "products", "elements"]


@dataclass(frozen=True, slots=True)
class Size:
    """N tokens of D channels and K codes; `levels` of a scalar quantizer's channels."""

    tokens: int
    codes: int
    width: int
    levels: tuple[int, ...] = ()

    def __str__(self) -> str:
        shape = f"[{','.join(map(str, self.levels))}]" if self.levels else f"D {self.width}"
        return f"N {self.tokens:,}  K {self.codes:,}  {shape}"


@dataclass(frozen=True, slots=True)
class Target:
    """What is wanted: times as fast as the peer, times the floor's time, share of its memory.

    flat: peak memory grows with K by no more than a few codebooks.
    """

    faster: float | None = None
    of_floor: float | None = None
    memory: float | None = None
    flat: bool = False


@dataclass(frozen=True, slots=True)
class Family:
    """A quantizer of vqx, its peer of vector-quantize-pytorch, and the least work there is.

    floor: "product" is z E^T; "products" has both gradients of it as well (for codes that get
    a gradient through N x K probabilities); "elements" is tanh, round and their backward. `stages`
    times that. None: there is no such bound. `share` copies our codebook to the peer, after which
    both give the same latents in eval mode; None where random draws or another rule forbid that.
    """

    grid: Grid
    target: Target
    ours: "Callable[[Size], Quantizer]"
    theirs: "Callable[[Size], nn.Module] | None" = None
    share: "Callable[[Quantizer, nn.Module], None] | None" = None
    floor: Floor | None = None
    stages: int = 1


_SEARCH = Target(faster=8, of_floor=2, memory=0.25, flat=True)
_RESIDUAL = Target(faster=5, of_floor=2.5, memory=0.25, flat=True)
_BITS = Target(faster=3, memory=0.25)
_SCALAR = Target(faster=1, of_floor=2, memory=1)
_PROBABLE = Target(faster=1, of_floor=2, flat=True)

FAMILIES: dict[str, Family] = {
    "ema": Family("codes", _SEARCH, ours.ema, peers.ema, peers.share_codebook, "product"),
    "vq": Family("codes", _SEARCH, ours.vq, peers.vq, peers.share_codebook, "product"),
    "cosine": Family("codes", _SEARCH, ours.cosine, peers.cosine, peers.share_codebook, "product"),
    "simvq": Family("codes", _SEARCH, ours.simvq, peers.simvq, peers.share_simvq, "product"),
    "residual": Family(
        "codes",
        _RESIDUAL,
        ours.residual,
        peers.residual,
        peers.share_stages,
        "product",
        ours.STAGES,
    ),
    "lfq": Family("bits", _BITS, ours.lfq, peers.lfq, peers.share_nothing),
    "bsq": Family("bits", _BITS, ours.bsq, peers.bsq, peers.share_nothing),
    "fsq": Family("levels", _SCALAR, ours.fsq, peers.fsq, peers.share_nothing, "elements"),
    "sfsq": Family("levels", _SCALAR, ours.sfsq, floor="elements"),
    "ifsq": Family("levels", _SCALAR, ours.ifsq, floor="elements"),
    "residual_fsq": Family(
        "levels", _SCALAR, ours.residual_fsq, peers.residual_fsq, None, "elements", ours.STAGES
    ),
    "gumbel": Family("codes", _PROBABLE, ours.gumbel, peers.gumbel, None, "products"),
    "entropy": Family(
        "codes", _PROBABLE, ours.entropy, peers.entropy, peers.share_codebook, "products"
    ),
    "ibq": Family("codes", _PROBABLE, ours.ibq, peers.ibq, None, "products"),
}
