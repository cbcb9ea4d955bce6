"""Nearest-code search against the distance to every entry."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.quantizers import reference
from vqx.quantizers import nearest as module
from vqx.quantizers.nearest import nearest_codes


@settings(max_examples=40, deadline=None)
@given(
    N=st.integers(1, 40),
    K=st.integers(1, 30),
    D=st.integers(1, 6),
    scores=st.integers(1, 200),
    seed=st.integers(0, 1000),
)
def test_equals_the_slow_search_for_any_chunk(N, K, D, scores, seed):
    g = torch.Generator().manual_seed(seed)
    z, codebook = torch.randn(N, D, generator=g), torch.randn(K, D, generator=g)
    assert nearest_codes(z, codebook, scores=scores).tolist() == reference.nearest(z, codebook)


@pytest.mark.parametrize("scores", [1, 3, 7, 64, module.SCORES])
def test_ties_go_to_the_lowest_index_across_chunks(scores):
    z = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    codebook = torch.tensor([[3.0, 3.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    assert nearest_codes(z, codebook, scores=scores).tolist() == [1, 1]
    assert nearest_codes(z, torch.ones(9, 2), scores=scores).tolist() == [0, 0]


def test_codes_are_chunked_where_the_codebook_is_large(monkeypatch):
    monkeypatch.setattr(module, "CODES", 10)
    z, codebook = torch.randn(50, 4), torch.randn(33, 4)
    assert nearest_codes(z, codebook).tolist() == reference.nearest(z, codebook)


@pytest.mark.parametrize(("scores", "K"), [(1, 20), (40, 20), (100, 20), (1000, 20), (64, 500)])
def test_never_holds_more_scores_than_asked(monkeypatch, scores, K):
    held, addmm = [], torch.addmm

    def counting(bias, z, codebook, *, out):
        held.append(out.numel())
        return addmm(bias, z, codebook, out=out)

    monkeypatch.setattr(torch, "addmm", counting)
    z, codebook = torch.randn(101, 3), torch.randn(K, 3)
    assert nearest_codes(z, codebook, scores=scores).tolist() == reference.nearest(z, codebook)
    assert max(held) <= scores
    assert sum(held) == 101 * K


@pytest.mark.parametrize("threads", [1, module.THREADS_FOR_TORCH])
def test_first_maximum_is_the_first_of_equals(monkeypatch, threads):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    scores = torch.randint(0, 3, (50, 70)).float()
    index = module.first_maximum(scores)
    assert index.tolist() == [row.index(max(row)) for row in scores.tolist()]
    assert index.dtype == torch.int64


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_changes_no_code(dtype):
    z, codebook = torch.randn(500, 64), torch.randn(256, 64)
    expected = nearest_codes(z, codebook)
    with torch.autocast("cpu", dtype=dtype):
        assert torch.equal(nearest_codes(z, codebook), expected)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_a_broken_token_still_gets_a_code_of_the_codebook(bad):
    codes = nearest_codes(torch.full((3, 2), bad), torch.randn(5, 2), scores=2)
    assert ((codes >= 0) & (codes < 5)).all()
