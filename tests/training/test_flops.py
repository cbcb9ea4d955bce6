"""Arithmetic of one image, against what can be counted by hand."""

import pytest
import torch
from torch import nn

from vqx.models import Tokenizer
from vqx.quantizers import FSQ, VQ
from vqx.training.flops import flops_per_image


def tokenizer_of(quantizer):
    width = quantizer.latent_channels
    return Tokenizer(
        nn.Conv2d(3, width, 4, stride=4), quantizer, nn.ConvTranspose2d(width, 3, 4, 4)
    )


def convolutions(width):
    return 2 * 2 * (4 * 4) * (3 * 4 * 4 * width)  # both, two for a multiply-add, a 4x4 grid


def test_convolutions_count_two_for_a_multiply_add():
    found = flops_per_image(tokenizer_of(FSQ([5, 5, 3])), channels=3, image_size=16)
    assert found == convolutions(3)


def test_the_search_for_the_nearest_code_counts():
    found = flops_per_image(tokenizer_of(VQ(64, 8)), channels=3, image_size=16)
    assert found == pytest.approx(convolutions(8) + 2 * 16 * 64 * 8, rel=0.2)
    assert found > convolutions(8) + 16 * 64 * 8


def test_nothing_changes():
    tokenizer = tokenizer_of(VQ(64, 8)).train()
    before = {key: value.clone() for key, value in tokenizer.state_dict().items()}
    flops_per_image(tokenizer, channels=3, image_size=16)
    assert tokenizer.training
    assert all(torch.equal(before[key], value) for key, value in tokenizer.state_dict().items())
