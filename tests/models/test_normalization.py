"""Normalization: groups for any width; batch statistics of one process and of two alike."""

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from vqx.collectives import rank, sum_over_ranks
from vqx.models.conv import conv_autoencoder
from vqx.models.normalization import BatchNorm, group_norm


@pytest.mark.parametrize(
    ("channels", "groups"),
    [(512, 32), (64, 32), (128, 32), (32, 16), (8, 4), (48, 24), (40, 20), (7, 1), (2, 1), (1, 1)],
)
def test_groups_divide_any_width_and_hold_two_channels(channels, groups):
    assert group_norm(channels).num_groups == groups
    assert group_norm(channels)(torch.randn(1, channels, 2, 2)).isfinite().all()


def inputs(offset=0.0):
    generator = torch.Generator().manual_seed(3)
    scale = torch.tensor([0.1, 1.0, 5.0]).view(3, 1, 1)
    return torch.randn(5, 3, 4, 4, generator=generator) * scale + offset


def started(kind):
    """A layer whose weights and averages are not those of the start."""
    layer = kind(3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([1.0, -2.0, 0.5]))
        layer.bias.copy_(torch.tensor([0.0, 1.0, -1.0]))
        layer.running_mean.fill_(0.3)
        layer.running_var.fill_(2.0)
    return layer


def trained(layer, x, weights):
    """Output, gradients of x and of the parameters, running averages after one pass."""
    x = x.clone().requires_grad_()
    out = layer(x)
    (out * weights).sum().backward()
    gradients = [layer.weight.grad, layer.bias.grad]
    return [out.detach(), x.grad, *gradients, layer.running_mean, layer.running_var]


def test_one_process_does_as_torch_does():
    x, weights = inputs(), torch.randn(5, 3, 4, 4)
    ours, theirs = started(BatchNorm), started(nn.BatchNorm2d)
    for a, b in zip(trained(ours, x, weights), trained(theirs, x, weights), strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def one_of_two(offset):
    mine = slice(0, 2) if rank() == 0 else slice(2, 5)  # ranks of unequal batches
    weights = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(4))
    layer = started(BatchNorm)
    out, grad, *parameters, mean, variance = trained(layer, inputs(offset)[mine], weights[mine])
    evaluated = layer.eval()(inputs(offset)[mine]).detach()
    return [out, grad, *map(sum_over_ranks, parameters), mean, variance, evaluated]


@pytest.mark.parametrize("offset", [0.0, 3000.0])
def test_two_ranks_do_as_one_process_gradients_included(two_ranks, offset):
    weights = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(4))
    layer = started(BatchNorm).double()
    expected = trained(layer, inputs(offset).double(), weights.double())
    expected.append(layer.eval()(inputs(offset).double()))
    first, second = two_ranks(one_of_two, offset)
    names = ("out", "x.grad", "weight.grad", "bias.grad", "mean", "variance", "evaluated")
    for name, a, b, whole in zip(names, first, second, expected, strict=True):
        split = name in ("out", "x.grad", "evaluated")
        # At an offset of 3000 float32 inputs themselves are good to 1e-4.
        found, error = (torch.cat([a, b]) if split else a), (2e-2 if offset else 1e-5)
        torch.testing.assert_close(found.double(), whole, rtol=error, atol=error, msg=name)
        assert split or torch.equal(a, b), name


def bf16_of_two():
    layer = BatchNorm(3)
    with torch.autocast("cpu", torch.bfloat16):
        out = layer(inputs(100.0).bfloat16())
    out = out.detach()
    return [out.dtype, out.float().mean((0, 2, 3)), layer.running_mean.dtype]


def test_statistics_over_ranks_are_float32_in_bf16(two_ranks):
    dtype, mean, running = two_ranks(bf16_of_two)[0]
    assert dtype == torch.bfloat16
    assert running == torch.float32
    assert mean.abs().max() < 0.02


def autoencoder():
    torch.manual_seed(0)
    return nn.Sequential(
        *conv_autoencoder(
            image_channels=3, latent_channels=4, width=8, residual_width=4, norm="batch"
        )
    )


def step_of_two(share):
    model = autoencoder()
    parallel = DistributedDataParallel(model, broadcast_buffers=False)
    x = inputs_of_model()[rank() * share : (rank() + 1) * share]
    (parallel(x) - x).square().mean().backward()
    state = [buffer.clone() for buffer in model.buffers()]
    return [[p.grad for p in model.parameters()], state]


def inputs_of_model():
    return torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(5)) * 2 - 1


def test_a_batch_normalized_model_trains_on_two_ranks_as_on_one(two_ranks):
    model, x = autoencoder(), inputs_of_model()
    (model(x) - x).square().mean().backward()
    for gradients, buffers in two_ranks(step_of_two, 2):
        for found, parameter in zip(gradients, model.parameters(), strict=True):
            torch.testing.assert_close(found, parameter.grad, rtol=1e-3, atol=1e-6)
        for found, buffer in zip(buffers, model.buffers(), strict=True):
            torch.testing.assert_close(found, buffer)
