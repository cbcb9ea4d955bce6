"""Exponential moving average of the weights, for evaluation."""

import copy

import torch
from torch import nn


class WeightAverage:
    """A copy of `model` whose parameters follow an average; buffers (codebook state) are copied.

    The decay warms up as min(decay, (1 + n) / (10 + n)) over updates n, so that the first steps
    do not leave the random start in the average.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, *, step: int) -> None:
        """Move the average toward `model` after optimizer step `step` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        ours = [p.detach() for p in self.model.parameters()]
        torch._foreach_lerp_(ours, [p.detach() for p in model.parameters()], 1 - decay)
        for ours_buffer, buffer in zip(self.model.buffers(), model.buffers(), strict=True):
            ours_buffer.copy_(buffer)
