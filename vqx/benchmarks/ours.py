"""vqx's quantizers as they are measured: no start from data, no restart, the rest by default."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vqx.benchmarks.families import Size
    from vqx.quantizers.base import Quantizer

STAGES = 8


def ema(size: "Size") -> "Quantizer":
    """Codebook of moving averages."""
    from vqx.quantizers.ema import EMA

    return EMA(size.codes, size.width, init="normal", restart=False)


def vq(size: "Size") -> "Quantizer":
    """Codebook learned by gradients."""
    from vqx.quantizers.vq import VQ

    return VQ(size.codes, size.width, init="normal", restart=False)


def cosine(size: "Size") -> "Quantizer":
    """Codebook of moving averages of unit vectors: what the peer's cosine codebook is."""
    from vqx.quantizers.ema import EMA

    return EMA(size.codes, size.width, init="normal", distance="cosine", restart=False)


def simvq(size: "Size") -> "Quantizer":
    """Frozen codebook behind a linear layer."""
    from vqx.quantizers.simvq import SimVQ

    return SimVQ(size.codes, size.width, restart=False)


def residual(size: "Size") -> "Quantizer":
    """STAGES codebooks of moving averages, one after the other."""
    from vqx.quantizers.residual import Residual

    return Residual(ema(size), STAGES)


def lfq(size: "Size") -> "Quantizer":
    """Signs, with the exact entropy of all K codes."""
    from vqx.quantizers.lfq import LFQ

    return LFQ(size.width)


def bsq(size: "Size") -> "Quantizer":
    """Signs on the sphere, with the entropy over groups of bits."""
    from vqx.quantizers.bsq import BSQ

    return BSQ(size.width)


def fsq(size: "Size") -> "Quantizer":
    """Rounded tanh."""
    from vqx.quantizers.fsq import FSQ

    return FSQ(size.levels)


def sfsq(size: "Size") -> "Quantizer":
    """Rounded sigmoid."""
    from vqx.quantizers.sfsq import SFSQ

    return SFSQ(size.levels)


def ifsq(size: "Size") -> "Quantizer":
    """Rounded sigmoid of 1.6 z, about 0."""
    from vqx.quantizers.ifsq import IFSQ

    return IFSQ(size.levels)


def residual_fsq(size: "Size") -> "Quantizer":
    """STAGES rounded tanh, each of what the one before left."""
    from vqx.quantizers.residual_fsq import ResidualFSQ

    return ResidualFSQ(size.levels, STAGES)


def gumbel(size: "Size") -> "Quantizer":
    """Sampled codes with the gradient of their probabilities."""
    from vqx.quantizers.gumbel import Gumbel

    return Gumbel(size.codes, size.width, straight_through=True)


def entropy(size: "Size") -> "Quantizer":
    """Codebook learned by gradients, with the entropy penalty."""
    from vqx.quantizers.entropy_vq import EntropyVQ

    return EntropyVQ(size.codes, size.width, init="normal", restart=False)


def ibq(size: "Size") -> "Quantizer":
    """Every code gets a gradient through the probabilities of all."""
    from vqx.quantizers.ibq import IBQ

    return IBQ(size.codes, size.width)
