"""Discriminators whose gradients are known."""

import torch
from torch import Tensor, nn


class LinearDiscriminator(nn.Module):
    """D(x) = a . x for images of `shape` (C, H, W): its gradient is a, everywhere."""

    def __init__(self, *shape: int, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.a = nn.Parameter(torch.randn(shape, generator=generator))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 1)."""
        return (images * self.a).flatten(1).sum(1, keepdim=True)


class QuadraticDiscriminator(nn.Module):
    """D(x) = x^T A x / 2 + a . x with a symmetric A."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        size = torch.Size(shape).numel()
        square = torch.randn(size, size, generator=generator)
        self.matrix = nn.Parameter((square + square.T) / 2)
        self.a = nn.Parameter(torch.randn(size, generator=generator))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 1)."""
        x = images.flatten(1)
        return (((x @ self.matrix) * x).sum(1) / 2 + x @ self.a)[:, None]


def patches() -> nn.Module:
    """A small smooth convolutional discriminator with a logit a position."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.SiLU(), nn.Conv2d(4, 1, 3))


def image_pair(count: int = 6, size: int = 8) -> tuple[Tensor, Tensor]:
    """Two batches (count, 3, size, size) in [-1, 1]."""
    generator = torch.Generator().manual_seed(1)
    x, y = torch.rand(2, count, 3, size, size, generator=generator) * 2 - 1
    return x, y
