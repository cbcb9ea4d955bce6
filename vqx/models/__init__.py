"""Encoders, decoders, discriminators, and the tokenizer that ties them to a quantizer."""

from vqx.models.conv import ConvDecoder, ConvEncoder, conv_autoencoder
from vqx.models.minimal import minimal_autoencoder
from vqx.models.patch_discriminator import PatchDiscriminator
from vqx.models.resnet import resnet_autoencoder
from vqx.models.strided import strided_autoencoder
from vqx.models.stylegan2_discriminator import StyleGAN2Discriminator
from vqx.models.tokenizer import Tokenizer
from vqx.models.vit import linear_vit_autoencoder, vit_autoencoder

__all__ = [
    "ConvDecoder",
    "ConvEncoder",
    "PatchDiscriminator",
    "StyleGAN2Discriminator",
    "Tokenizer",
    "conv_autoencoder",
    "linear_vit_autoencoder",
    "minimal_autoencoder",
    "resnet_autoencoder",
    "strided_autoencoder",
    "vit_autoencoder",
]
