"""Quantizers: latents to discrete codes and back."""

from vqx.quantizers.base import Quantized, Quantizer
from vqx.quantizers.bsq import BSQ
from vqx.quantizers.contracts import check_contracts
from vqx.quantizers.ema import EMA
from vqx.quantizers.entropy_vq import EntropyVQ
from vqx.quantizers.fsq import FSQ
from vqx.quantizers.gumbel import Gumbel
from vqx.quantizers.ibq import IBQ
from vqx.quantizers.ifsq import IFSQ
from vqx.quantizers.lfq import LFQ
from vqx.quantizers.product import Product
from vqx.quantizers.residual import Residual
from vqx.quantizers.residual_fsq import ResidualFSQ
from vqx.quantizers.restart import Restart
from vqx.quantizers.sfsq import SFSQ
from vqx.quantizers.simvq import SimVQ
from vqx.quantizers.soft import SoftQuantize
from vqx.quantizers.vq import VQ

__all__ = [
    "BSQ",
    "EMA",
    "FSQ",
    "IBQ",
    "IFSQ",
    "LFQ",
    "SFSQ",
    "VQ",
    "EntropyVQ",
    "Gumbel",
    "Product",
    "Quantized",
    "Quantizer",
    "Residual",
    "ResidualFSQ",
    "Restart",
    "SimVQ",
    "SoftQuantize",
    "check_contracts",
]
