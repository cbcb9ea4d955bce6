"""Parameters of the published models, counted as their authors counted them."""

import pytest

from vqx.models.conv import conv_autoencoder
from vqx.models.minimal import minimal_autoencoder
from vqx.models.resnet import resnet_autoencoder
from vqx.models.strided import strided_autoencoder


def parameters(factory, latent_channels, **options):
    pair = factory(image_channels=3, latent_channels=latent_channels, **options)
    return sum(p.numel() for module in pair for p in module.parameters())


def test_gumbel_counts_as_printed_with_its_wide_encoder():
    # The encoder gives K channels, a 1x1 convolution keeps them, and the codebook is K x 256.
    for codes, printed in ((4096, 55.4e6), (1024, 37.2e6)):
        encoder, _ = resnet_autoencoder(image_channels=3, latent_channels=codes)
        _, decoder = resnet_autoencoder(image_channels=3, latent_channels=256)
        found = sum(p.numel() for module in (encoder, decoder) for p in module.parameters())
        assert found + codes * (codes + 1) + codes * 256 == pytest.approx(printed, rel=0.01)


BOESSEN = {"downsampling": 8, "widths": [32, 64, 128]}
SWASUN = {"share_residual": True}
TAMING = {"upsampling_convolution": True}


@pytest.mark.parametrize(
    ("factory", "latent_channels", "options", "quantizer", "printed"),
    [
        # SerezD: a codebook of 4096 or 1024 x 256, none trained with moving averages.
        (resnet_autoencoder, 256, {}, 4096 * 256, 36.6e6),
        (resnet_autoencoder, 256, {}, 1024 * 256, 35.8e6),
        (resnet_autoencoder, 256, {}, 0, 35.6e6),
        # MinVQVAE: a layer normalization, and the codebook, which is not trained.
        (minimal_autoencoder, 64, {}, 2 * 64 + 512 * 64, 777e3),
        # swasun: a codebook; with moving averages their sums too.
        (conv_autoencoder, 64, SWASUN, 512 * 64, 0.61e6),
        (conv_autoencoder, 64, SWASUN, 2 * 512 * 64, 0.65e6),
        # Boessen, f8, K 128: the codebook and its sums.
        (conv_autoencoder, 64, BOESSEN, 2 * 128 * 64, 0.74e6),
        (conv_autoencoder, 64, {**BOESSEN, "norm": "batch"}, 2 * 128 * 64, 0.74e6),
        # vector-quantize at 128 channels: FSQ of four levels, LFQ of ten bits, EMA of 1024 x 256.
        (strided_autoencoder, 4, {}, 0, 1.06e6),
        (strided_autoencoder, 10, {}, 0, 1.08e6),
        (strided_autoencoder, 256, {}, 1024 * 256, 1.88e6),
    ],
)
def test_counts_are_those_printed(factory, latent_channels, options, quantizer, printed):
    found = parameters(factory, latent_channels, **options) + quantizer
    assert found == pytest.approx(printed, rel=0.01)


def test_the_upsampling_convolutions_are_what_the_newest_code_adds():
    plain = parameters(resnet_autoencoder, 256)
    added = sum(9 * width**2 + width for width in (256, 128, 64, 64))
    assert parameters(resnet_autoencoder, 256, **TAMING) == plain + added


def kernel(before, after, side):
    return before * after * side**2 + after


def test_minimal_and_strided_count_layer_by_layer():
    residual = 2 * (kernel(128, 32, 3) + kernel(32, 128, 1))
    encoder = kernel(3, 64, 4) + kernel(64, 128, 4) + kernel(128, 128, 3) + kernel(128, 64, 1)
    decoder = kernel(64, 128, 1) + kernel(128, 128, 3) + kernel(128, 64, 4) + kernel(64, 3, 4)
    assert parameters(minimal_autoencoder, 64) == encoder + decoder + 2 * residual
    encoder = kernel(3, 128, 4) + 2 * kernel(128, 128, 4) + kernel(128, 4, 1)
    decoder = kernel(4, 128, 4) + 2 * kernel(128, 128, 4) + kernel(128, 3, 1)
    assert parameters(strided_autoencoder, 4) == encoder + decoder
