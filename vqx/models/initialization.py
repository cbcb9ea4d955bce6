"""Starts of a model's convolutions, and their reparametrization.

Weight normalization keeps a kernel as magnitude and direction and computes `weight` from them at
each pass. What is written to `weight` after it was applied is lost: initialise first.
"""

import math

import torch
from torch import nn
from torch.nn.utils import parametrizations

Convolution = nn.Conv2d | nn.ConvTranspose2d


def convolutions(model: nn.Module) -> list[Convolution]:
    """All convolutions of `model`, plain and transposed, in order."""
    return [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]


def fan_in(convolution: Convolution) -> float:
    """The number of products that one value of the output sums (a mean where it varies).

    A transposed convolution with stride s spreads its k x k kernel over s x s times as many
    outputs; torch.nn.init takes its output channels for this instead.
    """
    products = convolution.in_channels / convolution.groups * math.prod(convolution.kernel_size)
    if isinstance(convolution, nn.ConvTranspose2d):
        products /= math.prod(convolution.stride)
    return products


@torch.no_grad()
def kaiming_normal(model: nn.Module) -> None:
    """Draw every kernel from N(0, 2 / fan_in) (arXiv 1502.01852); biases stay as they are."""
    for convolution in convolutions(model):
        nn.init.normal_(convolution.weight, std=(2 / fan_in(convolution)) ** 0.5)


def weight_norm(model: nn.Module) -> None:
    """Give every convolution a magnitude by output channel and a direction (arXiv 1602.07868).

    The weights stay what they are.
    """
    for convolution in convolutions(model):
        output_axis = 1 if isinstance(convolution, nn.ConvTranspose2d) else 0
        parametrizations.weight_norm(convolution, dim=output_axis)
