"""The convolutional autoencoder: shapes at every downsampling, and the size its source has."""

import pytest
import torch
from torch import nn

from vqx.errors import ConfigError
from vqx.models import conv_autoencoder
from vqx.models.conv import Repeated


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


def test_default_models_keep_the_keys_and_draws_of_old_runs():
    def residual():
        return [nn.Conv2d(16, 4, 3, bias=False), nn.Conv2d(4, 16, 1, bias=False)]

    torch.manual_seed(7)
    drawn = [nn.Conv2d(3, 8, 4), nn.Conv2d(8, 16, 4), nn.Conv2d(16, 16, 3)]
    drawn += [*residual(), *residual(), nn.Conv2d(16, 5, 1)]
    drawn += [nn.Conv2d(5, 16, 3), *residual(), *residual()]
    drawn += [nn.ConvTranspose2d(16, 8, 4), nn.ConvTranspose2d(8, 3, 4)]
    torch.manual_seed(7)
    pair = conv_autoencoder(image_channels=3, latent_channels=5, width=16, residual_width=4)
    found = [value for module in pair for value in module.state_dict().values()]
    expected = [value for layer in drawn for value in layer.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    weights = [f"layers.{i}.{kind}" for i in (0, 2, 4) for kind in ("weight", "bias")]
    weights += [f"layers.{i}.body.{j}.weight" for i in (5, 6) for j in (1, 3)]
    assert list(pair[0].state_dict()) == [*weights, "layers.8.weight", "layers.8.bias"]
    weights = ["layers.0.weight", "layers.0.bias"]
    weights += [f"layers.{i}.body.{j}.weight" for i in (1, 2) for j in (1, 3)]
    weights += [f"layers.{i}.{kind}" for i in (4, 6) for kind in ("weight", "bias")]
    assert list(pair[1].state_dict()) == weights


def test_widths_are_those_asked_for_and_mirrored():
    options = {"downsampling": 8, "width": 16, "residual_width": 4, "widths": [4, 6, 16]}
    pair = conv_autoencoder(image_channels=3, latent_channels=5, output_channels=7, **options)
    strided = [m for module in pair for m in module.modules() if getattr(m, "stride", 0) == (2, 2)]
    steps = [(m.in_channels, m.out_channels) for m in strided]
    assert steps == [(3, 4), (4, 6), (6, 16), (16, 6), (6, 4), (4, 7)]


def test_a_shared_residual_stack_applies_one_block_as_often():
    block = nn.Linear(2, 2, bias=False)
    nn.init.constant_(block.weight, 1.0)
    assert torch.equal(Repeated(block, 3)(torch.ones(2)), torch.full((2,), 8.0))
    options = {"image_channels": 3, "latent_channels": 5, "width": 8, "residual_blocks": 3}
    for module in conv_autoencoder(**options, share_residual=True):
        (stack,) = [layer for layer in module.layers if isinstance(layer, Repeated)]
        assert stack.times == 3


def test_batch_normalization_follows_every_convolution_but_the_last():
    encoder, decoder = conv_autoencoder(image_channels=3, latent_channels=4, width=8, norm="batch")
    for module in (encoder, decoder):
        layers = [m for m in module.modules() if not list(m.children())]
        followers = [
            type(after).__name__
            for layer, after in zip(layers, [*layers[1:], None], strict=True)
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
        ]
        assert followers == ["BatchNorm"] * (len(followers) - 1) + ["NoneType"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"widths": [64]}, "give 2 for downsampling 4"),
        ({"widths": [64, 64]}, "the last of them model.width 128"),
        ({"residual_blocks": -1}, "residual_blocks must be"),
        ({"width": 0}, "width must be"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        conv_autoencoder(image_channels=3, latent_channels=4, **wrong)
