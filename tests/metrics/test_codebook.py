"""Usage and perplexity are of the whole set, whatever the batches and ranks."""

import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.gloo import GlooPool
from vqx.errors import ContractBroken, DataError
from vqx.metrics import CodebookUse


def images(batch: int) -> Tensor:
    return torch.zeros(batch, 3, 4, 4, dtype=torch.uint8)


def measured(codes: Tensor, size: int, *, batch: int = 100) -> tuple[float, float]:
    metric = CodebookUse(size)
    for part in codes.split(batch):
        metric.update(images(len(part)), images(len(part)), part)
    values = metric.compute()
    return values["usage"].value, values["perplexity"].value


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 20), st.integers(1, 4), st.integers(0, 999), st.integers(1, 7))
def test_it_equals_a_plain_count(size: int, side: int, seed: int, batch: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(size, (7, side, side), generator=generator)
    count = Counter(codes.flatten().tolist())
    shares = [n / count.total() for n in count.values()]
    usage, perplexity = measured(codes, size, batch=batch)
    assert usage == pytest.approx(len(count) / size)
    assert perplexity == pytest.approx(math.exp(-sum(p * math.log(p) for p in shares)))


def test_closed_forms() -> None:
    assert measured(torch.arange(16).view(1, 4, 4), 16) == pytest.approx((1.0, 16.0))
    assert measured(torch.zeros(3, 4, 4, dtype=torch.int64), 16) == pytest.approx((1 / 16, 1.0))


def test_the_batch_size_changes_nothing() -> None:
    codes = torch.randint(256, (12, 4, 4))
    assert measured(codes, 256, batch=1) == measured(codes, 256, batch=12)


def test_stamp_counts_and_directions() -> None:
    metric = CodebookUse(8)
    metric.update(images(2), images(2), torch.tensor([[[0, 1]], [[1, 7]]]))
    result = metric.compute()
    assert metric.counts.tolist() == [1, 2, 0, 0, 0, 0, 0, 1]
    assert result["usage"].to_dict() == {
        "value": 3 / 8,
        "stamp": "whole set; 4 tokens",
        "better": "higher",
    }


@pytest.mark.parametrize("code", [-1, 8])
def test_codes_outside_the_codebook_are_refused(code: int) -> None:
    with pytest.raises(ContractBroken, match="codebook of 8"):
        CodebookUse(8).update(images(1), images(1), torch.tensor([[[0, code]]]))


def test_nothing_evaluated_is_an_error() -> None:
    with pytest.raises(DataError, match="0 tokens"):
        CodebookUse(8).compute()


def rank_share(codes: Tensor, cut: int) -> dict[str, float]:
    from vqx.collectives import rank

    part = codes[:cut] if rank() == 0 else codes[cut:]
    metric = CodebookUse(32)
    metric.update(images(len(part)), images(len(part)), part)
    metric.merge()
    return {key: value.value for key, value in metric.compute().items()}


@pytest.mark.parametrize("cut", [4, 7])
def test_two_ranks_equal_one(two_ranks: GlooPool, cut: int) -> None:
    codes = torch.randint(32, (7, 3, 3))
    usage, perplexity = measured(codes, 32)
    for values in two_ranks(rank_share, codes, cut):
        assert values == {"usage": usage, "perplexity": perplexity}
