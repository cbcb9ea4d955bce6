"""The average of weights against its recurrence."""

import torch
from torch import nn

from vqx.training.averaging import WeightAverage


def test_it_follows_the_recurrence_with_warm_up_and_copies_buffers():
    model = nn.BatchNorm1d(1)
    average = WeightAverage(model, 0.5)
    expected = 1.0
    for step, value in enumerate([4.0, -2.0, 8.0]):
        model.weight.data.fill_(value)
        model.running_mean.fill_(value)
        average.update(model, step=step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    assert torch.allclose(average.model.weight, torch.tensor([expected]))
    assert average.model.running_mean == 8.0
    assert model.weight == 8.0
    assert not average.model.weight.requires_grad
