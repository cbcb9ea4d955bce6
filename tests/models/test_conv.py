"""The convolutional autoencoder: shapes at every downsampling, and the size its source has."""

import pytest
import torch

from vqx.errors import ConfigError
from vqx.models import conv_autoencoder


@pytest.mark.parametrize(("downsampling", "side"), [(2, 16), (4, 8), (8, 4), (16, 2)])
@pytest.mark.parametrize("channels", [1, 3])
def test_latents_and_images_have_the_promised_shape(downsampling, side, channels):
    encoder, decoder = conv_autoencoder(
        image_channels=channels,
        latent_channels=5,
        downsampling=downsampling,
        width=16,
        residual_width=4,
    )
    latents = encoder(torch.zeros(2, channels, 32, 32))
    assert latents.shape == (2, 5, side, side)
    assert decoder(latents).shape == (2, channels, 32, 32)


def test_f4_has_the_parameters_counted_by_hand():
    encoder, decoder = conv_autoencoder(image_channels=3, latent_channels=64)
    residual = 2 * (128 * 32 * 9 + 32 * 128)
    expected_encoder = (
        (3 * 64 * 16 + 64) + (64 * 128 * 16 + 128) + (128 * 128 * 9 + 128) + residual
    ) + (128 * 64 + 64)
    expected_decoder = (64 * 128 * 9 + 128) + residual + (128 * 64 * 16 + 64) + (64 * 3 * 16 + 3)
    assert sum(p.numel() for p in encoder.parameters()) == expected_encoder
    assert sum(p.numel() for p in decoder.parameters()) == expected_decoder


@pytest.mark.parametrize("downsampling", [0, 1, 3, 6])
def test_downsampling_that_is_no_power_of_two_is_refused(downsampling):
    with pytest.raises(ConfigError, match="downsampling must be"):
        conv_autoencoder(image_channels=3, latent_channels=4, downsampling=downsampling)


def test_residual_blocks_pass_the_input_through():
    encoder, _ = conv_autoencoder(image_channels=3, latent_channels=4, width=8, residual_width=2)
    block = encoder.layers[5]
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.randn(1, 8, 4, 4)
    assert torch.equal(block(x), x)
