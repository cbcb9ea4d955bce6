"""Arithmetic of one image, against what can be counted by hand."""

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from vqx.models import Tokenizer
from vqx.quantizers import FSQ, VQ, SimVQ
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
    assert found == convolutions(8) + 2 * 16 * 64 * 8


def test_what_is_done_once_for_all_images_is_no_images():
    """SimVQ's codebook is a layer's output, computed once a batch."""
    found = flops_per_image(tokenizer_of(SimVQ(64, 8)), channels=3, image_size=16)
    assert found == convolutions(8) + 2 * 16 * 64 * 8


def test_attention_counts_on_a_cpu():
    class Attention(nn.Module):
        def forward(self, x):
            tokens = x.flatten(2).transpose(1, 2)[:, None]  # (B, 1, N, D)
            out = scaled_dot_product_attention(tokens, tokens, tokens)
            return out[:, 0].transpose(1, 2).reshape_as(x)

    plain, quantizer = tokenizer_of(FSQ([5, 5, 3])), FSQ([5, 5, 3])
    encoder = nn.Sequential(plain.encoder, Attention())
    found = flops_per_image(Tokenizer(encoder, quantizer, plain.decoder), channels=3, image_size=16)
    assert found == convolutions(3) + 2 * 2 * 16 * 16 * 3


def test_nothing_changes():
    tokenizer = tokenizer_of(VQ(64, 8)).train()
    before = {key: value.clone() for key, value in tokenizer.state_dict().items()}
    flops_per_image(tokenizer, channels=3, image_size=16)
    assert tokenizer.training
    assert all(torch.equal(before[key], value) for key, value in tokenizer.state_dict().items())
