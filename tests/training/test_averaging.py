"""The average of weights against its recurrence."""

import torch
from torch import nn

from vqx.models import Tokenizer
from vqx.quantizers import VQ
from vqx.training.averaging import WeightAverage


def test_it_follows_the_recurrence_with_warm_up_and_copies_quantizer_and_buffers():
    model = Tokenizer(nn.BatchNorm1d(1), VQ(2, 1), nn.Identity())
    average = WeightAverage(model, 0.5)
    expected = 1.0
    for step, value in enumerate([4.0, -2.0, 8.0]):
        model.encoder.weight.data.fill_(value)
        model.encoder.running_mean.fill_(value)
        model.quantizer.codebook.data.fill_(value)
        average.update(model, step=step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    assert torch.allclose(average.model.encoder.weight, torch.tensor([expected]))
    assert average.model.encoder.running_mean == 8.0
    assert (average.model.quantizer.codebook == 8.0).all()
    assert model.encoder.weight == 8.0
    assert not average.model.encoder.weight.requires_grad
