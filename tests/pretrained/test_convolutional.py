"""Networks against torchvision's and the lpips library's, with the same weights."""

import warnings
from pathlib import Path

import lpips
import pytest
import torch
import torchvision
from torch import Tensor, nn

from tests.pretrained.weights import random_convolutions
from vqx.errors import ConfigError, DataError, WeightsMissing
from vqx.pretrained import convolutional_features, perceptual_distance
from vqx.pretrained.convolutional import SMALLEST_IMAGE, ConvolutionalFeatures
from vqx.pretrained.files import convolutions_of, save_tensors


def library_lpips(net: str, weights: Path) -> nn.Module:
    """lpips.LPIPS with our convolutions in its backbone."""
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")
        network = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    tensors = convolutions_of(weights)
    for slice_name, layers in network.net.named_children():
        for index, layer in layers.named_children():
            if isinstance(layer, nn.Conv2d):
                state = {"weight": tensors[f"{index}.weight"], "bias": tensors[f"{index}.bias"]}
                layer.load_state_dict(state)
        assert slice_name.startswith("slice")
    return network


def image_pair(channels: int = 3, size: int = 40) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 3, channels, size, size, generator=generator) * 2 - 1
    return images[0], images[1]


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_lpips_equals_the_library(net: str, alexnet_file: Path, vgg16_file: Path) -> None:
    weights = alexnet_file if net == "alex" else vgg16_file
    x, y = image_pair()
    expected = library_lpips(net, weights)(x, y).flatten()
    ours, path = perceptual_distance(net, weights=weights)
    assert path == weights
    torch.testing.assert_close(ours(x, y), expected, rtol=1e-5, atol=1e-7)


def test_real_lpips_equals_the_library(real_weights: Path) -> None:
    ours, path = perceptual_distance("alex", cache_dir=real_weights)
    x, y = image_pair()
    expected = library_lpips("alex", path)(x, y).flatten()
    torch.testing.assert_close(ours(x, y), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("network", ["alexnet", "vgg16"])
def test_layers_are_torchvisions(network: str) -> None:
    with torch.device("meta"):
        reference = getattr(torchvision.models, network)(weights=None).features
    tensors = random_convolutions(network)
    assert {k: v.shape for k, v in reference.state_dict().items()} == {
        k: v.shape for k, v in tensors.items()
    }
    reference.load_state_dict(tensors, assign=True)
    ours = ConvolutionalFeatures(network, tensors)
    x, _ = image_pair(size=48)
    last = ours.taps[-1] + 1
    normalised = ((x + 1) / 2 - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(3, 1, 1)
    torch.testing.assert_close(ours(x)[-1], reference[:last](normalised), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("network", ["alexnet", "vgg16"])
def test_the_smallest_image_is_the_smallest_that_works(network: str) -> None:
    extractor = ConvolutionalFeatures(network, random_convolutions(network))
    size = SMALLEST_IMAGE[network]
    assert extractor(torch.zeros(1, 3, size, size))[-1].numel() > 0
    with pytest.raises(DataError, match=f"needs {size}x{size}"):
        extractor(torch.zeros(1, 3, size, size - 1))
    with pytest.raises(RuntimeError, match="too small"):
        extractor.layers(torch.zeros(1, 3, size - 1, size - 1))


def test_grey_is_rgb_and_other_channels_are_refused(alexnet_file: Path) -> None:
    network, _ = perceptual_distance("alex", weights=alexnet_file)
    x, y = image_pair(channels=1)
    expected = network(x.repeat(1, 3, 1, 1), y.repeat(1, 3, 1, 1))
    torch.testing.assert_close(network(x, y), expected)
    with pytest.raises(DataError, match="4 channels"):
        network(*image_pair(channels=4))


def test_gradients_reach_the_first_image_alone_and_stay_finite(alexnet_file: Path) -> None:
    network, _ = perceptual_distance("alex", weights=alexnet_file)
    tensors = convolutions_of(alexnet_file)
    for name in tensors:
        if name.endswith("bias"):  # all channels dead: the norm of each position is 0
            tensors[name] = torch.full_like(tensors[name], -1e3)
    network.features.layers.load_state_dict(tensors)
    x, y = (image.requires_grad_() for image in image_pair())
    network(x, y).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    assert y.grad is None
    assert not any(p.requires_grad for p in network.parameters())


def test_building_draws_no_random_numbers(alexnet_file: Path) -> None:
    before = torch.get_rng_state()
    perceptual_distance("alex", weights=alexnet_file)
    assert torch.equal(torch.get_rng_state(), before)


def test_wrong_weights_are_refused(alexnet_file: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="does not hold vgg16's convolutions"):
        convolutional_features("vgg16", weights=alexnet_file)
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(alexnet_file.read_bytes()[:1000])
    with pytest.raises(WeightsMissing, match="cannot be read as weights"):
        convolutional_features("alexnet", weights=damaged)
    with pytest.raises(ConfigError, match="squeeze"):
        perceptual_distance("squeeze")


def test_torchvisions_own_file_works(tmp_path: Path) -> None:
    tensors = random_convolutions("alexnet")
    whole = {f"features.{k}": v for k, v in tensors.items()} | {"classifier.1.bias": torch.ones(9)}
    torch.save(whole, tmp_path / "alexnet.pth")
    network, _ = convolutional_features("alexnet", weights=tmp_path / "alexnet.pth")
    torch.testing.assert_close(network.layers.state_dict(), tensors)


def test_equal_tensors_give_equal_files(tmp_path: Path) -> None:
    tensors = random_convolutions("alexnet")
    save_tensors(tensors, tmp_path / "a.safetensors")
    save_tensors(dict(reversed(tensors.items())), tmp_path / "b.safetensors")
    first, second = ((tmp_path / name).read_bytes() for name in ("a.safetensors", "b.safetensors"))
    assert first == second
