"""Normalization layers of encoders, decoders and discriminators.

Axes: B images, C channels, h w positions, R ranks.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vqx.collectives import sum_over_ranks, world_size


def group_norm(channels: int, *, groups: int = 32) -> nn.GroupNorm:
    """GroupNorm (arXiv 1803.08494) with at most `groups` groups, of two channels or more each.

    The number of groups is the largest that divides `channels`: narrow layers work too, and no
    group is a single channel, which on a 1x1 grid would be normalized away.
    """
    most = max(1, min(groups, channels // 2))
    largest = next(count for count in range(most, 0, -1) if channels % count == 0)
    return nn.GroupNorm(largest, channels, eps=1e-6)


class BatchNorm(nn.Module):
    """Batch normalization (arXiv 1502.03167) over the images of all ranks, on CPUs and GPUs.

    x (B, C, h, w) -> the same shape and dtype; B may differ between ranks. In training the mean
    and variance are those of the whole step, and the gradient goes through them on every rank, so
    that R ranks train as one does. In eval they are the running averages, as in nn.BatchNorm2d.
    In training mode every rank must make the same passes: each is a collective.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """`x` normalized by channel, then scaled and shifted."""
        if self.training and world_size() > 1:
            return self._over_ranks(x)
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            self.momentum,
            self.eps,
        )

    def _over_ranks(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            values = x.float()
            here = values.new_full((1,), x.numel() / x.shape[1])
            sums = _SumOverRanks.apply(torch.cat([values.sum((0, 2, 3)), here]))
            mean, count = sums[:-1] / sums[-1], sums[-1].detach()
            # Squares of what the mean leaves: E[x^2] - E[x]^2 would cancel where |mean| >> std.
            centred = values - mean[:, None, None]
            variance = _SumOverRanks.apply(centred.square().sum((0, 2, 3))) / count
            scale = self.weight * (variance + self.eps).rsqrt()
            normalized = centred * scale[:, None, None] + self.bias[:, None, None]
            self._move_averages(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
        return normalized.to(x.dtype)

    @torch.no_grad()
    def _move_averages(self, mean: Tensor, variance: Tensor) -> None:
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)

    def extra_repr(self) -> str:
        """Channels and constants, for printing."""
        return f"{self.weight.shape[0]}, eps={self.eps}, momentum={self.momentum}"


class _SumOverRanks(torch.autograd.Function):
    """The sum over ranks, and so of what every rank's loss says of it: differentiable again."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return sum_over_ranks(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        summed: Tensor = _SumOverRanks.apply(gradients[0])
        return summed
