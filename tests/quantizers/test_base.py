"""The contract's base: token order, float32, and what a quantizer without state inherits."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.quantizers import reference
from vqx.quantizers import EMA, FSQ, VQ, Quantized
from vqx.quantizers.base import to_grid, to_rows


@settings(max_examples=30, deadline=None)
@given(st.tuples(*[st.integers(1, 4)] * 4))
def test_rows_are_tokens_in_image_order_and_grid_is_the_way_back(shape):
    z = torch.randn(shape)
    rows = to_rows(z)
    assert torch.equal(rows, torch.stack(reference.tokens(z)))
    codes = torch.zeros(shape[0], *shape[2:], dtype=torch.int64)
    assert torch.equal(to_grid(rows, codes), z)


def test_quantized_is_frozen():
    out = FSQ([3])(torch.zeros(1, 1, 1, 1))
    with pytest.raises(dataclasses.FrozenInstanceError):
        out.loss = torch.zeros(())
    assert isinstance(out, Quantized)


@pytest.mark.parametrize("make", [lambda: FSQ([4, 3]), lambda: VQ(5, 2), lambda: EMA(5, 2)])
def test_every_quantizer_is_discrete_and_says_its_size(make):
    quantizer = make()
    assert quantizer.discrete
    assert quantizer.codebook_size == (12 if isinstance(quantizer, FSQ) else 5)
    assert quantizer.latent_channels == 2


@pytest.mark.parametrize("make", [lambda: FSQ([4, 3]), lambda: VQ(5, 2)])
def test_stats_are_detached_scalars(make):
    out = make()(torch.randn(2, 2, 3, 3, requires_grad=True))
    assert {"commitment_ratio", "latent_norm"} <= out.stats.keys()
    assert all(s.ndim == 0 and not s.requires_grad for s in out.stats.values())


def test_a_quantizer_without_a_codebook_has_nothing_to_initialise_or_update():
    quantizer = FSQ([4, 3])
    assert not quantizer.needs_initialization
    quantizer.initialize(torch.randn(1, 2, 2, 2))
    quantizer.update_codebook()
