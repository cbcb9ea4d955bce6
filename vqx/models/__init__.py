"""Encoders, decoders and the tokenizer that ties them to a quantizer."""

from vqx.models.conv import ConvDecoder, ConvEncoder, conv_autoencoder
from vqx.models.tokenizer import Tokenizer

__all__ = ["ConvDecoder", "ConvEncoder", "Tokenizer", "conv_autoencoder"]
