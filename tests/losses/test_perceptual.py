"""LPIPS as a loss: frozen, always eval, invisible to the optimizer and the checkpoint."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.gloo import GlooPool
from tests.pretrained.test_convolutional import library_lpips
from vqx.collectives import rank, sum_over_ranks
from vqx.errors import ConfigError, WeightsMissing
from vqx.losses import LpipsLoss
from vqx.pretrained import perceptual_distance


@pytest.fixture(scope="module")
def loss(vgg16_file: Path) -> LpipsLoss:
    return LpipsLoss(weights=vgg16_file)


def image_pair() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, 4, 3, 24, 16, generator=generator) * 2 - 1
    return x, y


def test_it_is_the_mean_distance(loss: LpipsLoss, vgg16_file: Path) -> None:
    x, y = image_pair()
    network, _ = perceptual_distance("vgg", weights=vgg16_file)
    torch.testing.assert_close(loss(x, y), network(x, y).mean())
    assert loss(x, y).shape == ()
    assert float(loss(x, x)) == 0


def test_layers_add_up_to_the_whole(loss: LpipsLoss, vgg16_file: Path) -> None:
    x, y = image_pair()
    each = [float(LpipsLoss(layers=[layer], weights=vgg16_file)(x, y)) for layer in range(5)]
    assert min(each) > 0
    assert sum(each) == pytest.approx(float(loss(x, y)), rel=1e-5)
    for layers in ((4, 0, 2), [1]):
        value = float(LpipsLoss(layers=layers, weights=vgg16_file)(x, y))
        assert value == pytest.approx(sum(each[layer] for layer in layers), rel=1e-5)


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_each_layer_is_the_librarys(net: Any, alexnet_file: Path, vgg16_file: Path) -> None:
    weights = alexnet_file if net == "alex" else vgg16_file
    x, y = torch.rand(2, 2, 3, 40, 40, generator=torch.Generator().manual_seed(0)) * 2 - 1
    _, layers = library_lpips(net, weights)(x, y, retPerLayer=True)
    for index, expected in enumerate(layers):
        value = LpipsLoss(net, layers=[index], weights=weights)(x, y)
        torch.testing.assert_close(value, expected.mean(), rtol=1e-5, atol=1e-7)


def test_nothing_after_the_last_layer_is_computed(vgg16_file: Path) -> None:
    loss = LpipsLoss(layers=[0, 1], weights=vgg16_file)
    calls: list[int] = []
    for index, layer in enumerate(loss._hidden[0].features.layers):
        layer.register_forward_hook(lambda *_, index=index: calls.append(index))
    loss(*image_pair())
    assert max(calls) == 8  # the fourth convolution's ReLU


@pytest.mark.parametrize("layers", [[], [5], [-1], [0, 0], 2, "02", [0.5]])
def test_layers_that_do_not_exist_are_refused(layers: Any, vgg16_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"choose some of 0, 1, 2, 3, 4"):
        LpipsLoss(layers=layers, weights=vgg16_file)


def test_the_network_is_in_no_optimizer_and_no_checkpoint(loss: LpipsLoss) -> None:
    assert list(loss.parameters()) == list(loss.buffers()) == []
    assert loss.state_dict() == {}
    loss.load_state_dict({})


def test_training_mode_does_not_reach_the_network(loss: LpipsLoss) -> None:
    torch.nn.Sequential(loss).train()
    network = loss._hidden[0]
    assert not any(module.training for module in network.modules())
    assert not any(p.requires_grad for p in network.parameters())


def test_gradients_reach_the_reconstruction_alone(loss: LpipsLoss) -> None:
    x, y = (image.requires_grad_() for image in image_pair())
    loss(x, y).backward()
    assert x.grad is not None
    assert 0 < float(x.grad.abs().sum()) < float("inf")
    assert y.grad is None


def test_a_step_along_the_gradient_comes_nearer(loss: LpipsLoss) -> None:
    x, y = image_pair()
    x.requires_grad_()
    before = loss(x, y)
    (slope,) = torch.autograd.grad(before, x)
    after = loss((x - 1e-2 * slope / slope.abs().max()).detach(), y)
    assert after < before


def test_it_is_float32_under_autocast(loss: LpipsLoss) -> None:
    x, y = image_pair()
    expected = loss(x, y)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(x, y)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, expected)


def test_the_network_follows_its_loss(vgg16_file: Path) -> None:
    loss = copy.deepcopy(LpipsLoss(weights=vgg16_file))
    outer = torch.nn.Sequential(loss).to("meta")
    assert {p.device.type for p in loss._hidden[0].parameters()} == {"meta"}
    assert len(outer) == 1


def test_missing_weights_stop_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VQX_OFFLINE", "1")
    with pytest.raises(WeightsMissing, match=r"python -m vqx\.prepare weights"):
        LpipsLoss(cache_dir=tmp_path)


def rank_share(weights: Path, x: Tensor, y: Tensor) -> Tensor:
    part = slice(0, 2) if rank() == 0 else slice(2, 4)
    return sum_over_ranks(LpipsLoss("alex", weights=weights)(x[part], y[part])) / 2


def test_the_mean_over_ranks_is_that_of_the_batch(two_ranks: GlooPool, alexnet_file: Path) -> None:
    x, y = torch.rand(2, 4, 3, 32, 32) * 2 - 1
    expected = LpipsLoss("alex", weights=alexnet_file)(x, y)
    for value in two_ranks(rank_share, alexnet_file, x, y):
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-7)
