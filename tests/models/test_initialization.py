"""Kaiming starts and weight normalization: of the weights that a pass really uses."""

import pytest
import torch
from torch import nn

from vqx.errors import ConfigError
from vqx.models.conv import conv_autoencoder
from vqx.models.initialization import convolutions, fan_in


def autoencoder(**options):
    torch.manual_seed(0)
    pair = conv_autoencoder(image_channels=3, latent_channels=64, width=64, **options)
    return nn.Sequential(*pair)


def used_weights(model):
    """The kernel that each convolution convolves with, caught in a forward and backward pass."""
    used = []
    handles = [
        c.register_forward_hook(lambda module, *_: used.append(module.weight.detach().clone()))
        for c in convolutions(model)
    ]
    model(torch.randn(1, 3, 8, 8)).mean().backward()
    for handle in handles:
        handle.remove()
    return used


@pytest.mark.parametrize("weight_norm", [None, False, True])
def test_kaiming_is_the_deviation_of_the_weights_in_use(weight_norm):
    model = autoencoder(initialization="kaiming_normal", weight_norm=weight_norm)
    for convolution, weight in zip(convolutions(model), used_weights(model), strict=True):
        expected = (2 / fan_in(convolution)) ** 0.5
        assert weight.std() == pytest.approx(expected, rel=4 / weight.numel() ** 0.5)
        assert weight.mean().abs() < 4 * expected / weight.numel() ** 0.5


def test_kaiming_keeps_the_scale_through_relus():
    for layer in (
        nn.Conv2d(64, 96, 3, padding=1),
        nn.Conv2d(64, 96, 4, stride=2, padding=1),
        nn.ConvTranspose2d(64, 96, 4, stride=2, padding=1),
    ):
        torch.manual_seed(0)
        nn.init.normal_(layer.weight, std=(2 / fan_in(layer)) ** 0.5)
        x = torch.randn(4, 64, 16, 16)
        inside = layer(x.relu())[..., 2:-2, 2:-2]  # the border sees zeros
        scale = inside.square().mean().item() / x.square().mean().item()
        assert scale == pytest.approx(1, rel=0.1)


def test_weight_norm_changes_nothing_at_the_start_and_then_trains_magnitudes():
    plain, normed = autoencoder(), autoencoder(weight_norm=True)
    x = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(normed(x), plain(x), rtol=1e-4, atol=1e-6)
    normed(x).square().mean().backward()
    kernels = len(convolutions(plain))
    assert sum("original0" in name for name, _ in normed.named_parameters()) == kernels
    for convolution in convolutions(normed):
        magnitude = convolution.parametrizations.weight.original0
        assert magnitude.numel() == convolution.out_channels
        with torch.no_grad():
            magnitude.mul_(2)
    for doubled, before in zip(used_weights(normed), used_weights(plain), strict=True):
        torch.testing.assert_close(doubled, 2 * before)


def test_without_the_switches_there_is_no_trace_of_them():
    names = set(autoencoder().state_dict())
    assert set(autoencoder(weight_norm=False).state_dict()) == names
    assert set(autoencoder(initialization="kaiming_normal").state_dict()) == names


@pytest.mark.parametrize(
    "wrong", [{"initialization": "kaiming"}, {"weight_norm": "False"}, {"norm": "layer"}]
)
def test_what_is_no_choice_is_refused(wrong):
    with pytest.raises(ConfigError, match=f"model.{next(iter(wrong))} must be"):
        autoencoder(**wrong)
