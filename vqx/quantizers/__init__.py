"""Quantizers: latents to discrete codes and back."""

from vqx.quantizers.base import Quantized, Quantizer
from vqx.quantizers.contracts import check_contracts
from vqx.quantizers.ema import EMA
from vqx.quantizers.fsq import FSQ
from vqx.quantizers.restart import Restart
from vqx.quantizers.simvq import SimVQ
from vqx.quantizers.vq import VQ

__all__ = ["EMA", "FSQ", "VQ", "Quantized", "Quantizer", "Restart", "SimVQ", "check_contracts"]
