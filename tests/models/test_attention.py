"""Attention against the formulas written out, position codes, and what linear must never hold."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from vqx.errors import ConfigError
from vqx.models.attention import GridAttention, LinearAttention, SoftmaxAttention
from vqx.models.positions import sincos_positions
from vqx.models.vit import vit_autoencoder


def heads_of(x, heads):
    """(B, N, C) as a list of heads (B, N, d)."""
    return x.chunk(heads, dim=-1)


def written_out(attention, tokens, similarity):
    """Weights similarity(q_i, k_j), divided by their sum over j, for one head after another."""
    queries, keys, values = attention.projections(tokens).chunk(3, dim=-1)
    mixed = []
    for q, k, v in zip(
        *(heads_of(x, attention.heads) for x in (queries, keys, values)), strict=True
    ):
        weights = similarity(q, k)  # (B, N, N)
        mixed.append(weights / weights.sum(-1, keepdim=True) @ v)
    return attention.output(torch.cat(mixed, dim=-1))


def softmax_similarity(q, k):
    return (q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])).exp()


def linear_similarity(q, k):
    def f(x):
        return torch.nn.functional.elu(x) + 1

    return f(q) @ f(k).transpose(1, 2)


@pytest.mark.parametrize(
    ("kind", "similarity"),
    [(SoftmaxAttention, softmax_similarity), (LinearAttention, linear_similarity)],
)
def test_attention_is_its_quadratic_formula(kind, similarity):
    torch.manual_seed(0)
    attention = kind(12, 3).double()
    tokens = torch.randn(2, 7, 12, dtype=torch.float64) * 3
    # Linear attention computes in float32 whatever comes in.
    tolerance = 1e-6 if kind is LinearAttention else 1e-12
    expected = written_out(attention, tokens, similarity)
    torch.testing.assert_close(attention(tokens), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("kind", [SoftmaxAttention, LinearAttention])
def test_attention_moves_with_its_tokens_and_mixes_them(kind):
    torch.manual_seed(0)
    attention = kind(8, 2)
    tokens = torch.randn(1, 10, 8)
    order = torch.randperm(10)
    torch.testing.assert_close(attention(tokens)[:, order], attention(tokens[:, order]))
    changed = tokens.clone()
    changed[:, 9] += 1
    assert not torch.allclose(attention(changed)[:, 0], attention(tokens)[:, 0])  # not causal


class Largest(TorchDispatchMode):
    """Remembers the number of elements of the largest tensor that any operation made."""

    elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return result


def test_linear_attention_never_holds_tokens_by_tokens():
    attention, length = LinearAttention(8, 2), 4096
    with Largest() as largest:
        attention(torch.randn(1, length, 8, requires_grad=True)).sum().backward()
    assert largest.elements <= 3 * 8 * length


def test_linear_attention_sums_in_float32_under_autocast():
    attention = LinearAttention(4, 1)
    q, k, v = torch.randn(3, 1, 1, 512, 4).unbind()
    expected = attention.mix(q, k, v)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(attention.mix(q, k, v), expected)


@pytest.mark.parametrize("shift", [-60.0, -30.0, 0.0, 60.0])
def test_linear_weights_sum_to_one_however_small_the_features(shift):
    attention = LinearAttention(4, 1)
    q, k = torch.randn(2, 1, 1, 9, 4).unbind()
    q = (q + shift).requires_grad_()
    mixed = attention.mix(q, k, torch.full((1, 1, 9, 4), 3.0))
    torch.testing.assert_close(mixed, torch.full_like(mixed, 3.0))
    mixed.sum().backward()
    assert q.grad.isfinite().all()


def test_grid_attention_is_its_formula_with_one_head():
    torch.manual_seed(0)
    attention, x = GridAttention(8), torch.randn(2, 8, 3, 5)
    q, k, v = attention.projections(attention.norm(x)).flatten(2).chunk(3, dim=1)  # (B, C, N)
    weights = (torch.einsum("bcn,bcm->bnm", q, k) / math.sqrt(8)).softmax(-1)
    mixed = torch.einsum("bnm,bcm->bcn", weights, v).view(2, 8, 3, 5)
    torch.testing.assert_close(attention(x), x + attention.output(mixed))


def test_position_codes_are_sines_and_cosines_of_row_and_column():
    codes = sincos_positions(5, 7, 12, device=torch.device("cpu")).view(5, 7, 4, 3)
    for row, column, i in ((0, 0, 0), (4, 6, 0), (3, 5, 1), (2, 6, 2)):
        by = [row / 10000 ** (i / 3), column / 10000 ** (i / 3)]
        expected = [f(angle) for angle in by for f in (math.sin, math.cos)]
        torch.testing.assert_close(codes[row, column, :, i], torch.tensor(expected))
    larger = sincos_positions(9, 8, 12, device=torch.device("cpu")).view(9, 8, 4, 3)
    assert torch.equal(larger[:5, :7], codes)


def test_a_vit_knows_where_a_patch_is():
    torch.manual_seed(0)
    encoder, _ = vit_autoencoder(image_channels=1, latent_channels=4, width=16, heads=2, depth=1)
    latents = encoder(torch.zeros(1, 1, 16, 24))[0].flatten(1)  # equal patches
    distances = torch.cdist(latents.t(), latents.t()) + torch.eye(6)
    assert distances.min() > 1e-3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"width": 18, "heads": 3}, "multiple of 4"),
        ({"width": 16, "heads": 3}, "model.heads 3 must divide"),
        ({"depth": 0}, "model.depth must be"),
        ({"downsampling": 2.5}, "model.downsampling must be"),
    ],
)
def test_sizes_that_cannot_be_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        vit_autoencoder(image_channels=3, latent_channels=4, **wrong)
