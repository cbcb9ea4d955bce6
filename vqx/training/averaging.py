"""Exponential moving average of the weights, for evaluation."""

import copy

import torch

from vqx.models import Tokenizer


class WeightAverage:
    """A copy of `model` whose parameters follow an average; the quantizer and buffers are copied.

    A restart moves a code to another place at once: an average of both places would be the code of
    neither. Running statistics of batch normalisation are averages already. The decay warms up as
    min(decay, (1 + n) / (10 + n)) over updates n, so that the first steps do not leave the random
    start in the average.
    """

    def __init__(self, model: Tokenizer, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: Tokenizer, *, step: int) -> None:
        """Move the average toward `model` after optimizer step `step` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        ours, theirs = (
            [*m.encoder.parameters(), *m.decoder.parameters()] for m in (self.model, model)
        )
        torch._foreach_lerp_([p.data for p in ours], [p.data for p in theirs], 1 - decay)
        quantizers = self.model.quantizer.parameters(), model.quantizer.parameters()
        for our_parameter, parameter in zip(*quantizers, strict=True):
            our_parameter.copy_(parameter)
        for ours_buffer, buffer in zip(self.model.buffers(), model.buffers(), strict=True):
            ours_buffer.copy_(buffer)
