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


def filled(codes: Tensor, size: int, *, batch: int = 100) -> CodebookUse:
    metric = CodebookUse(size, 1 if codes.ndim == 3 else codes.shape[-1])
    for part in codes.split(batch):
        metric.update(images(len(part)), images(len(part)), part)
    return metric


def measured(codes: Tensor, size: int, *, batch: int = 100) -> tuple[float, float]:
    values = filled(codes, size, batch=batch).compute()
    return values["usage"].value, values["perplexity"].value


def entropy(counts: list[int]) -> float:
    return -sum(n / sum(counts) * math.log(n / sum(counts)) for n in counts if n)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 20), st.integers(1, 4), st.integers(0, 999), st.integers(1, 7))
def test_it_equals_a_plain_count(size: int, side: int, seed: int, batch: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(size, (7, side, side), generator=generator)
    count = Counter(codes.flatten().tolist())
    usage, perplexity = measured(codes, size, batch=batch)
    assert usage == pytest.approx(len(count) / size)
    assert perplexity == pytest.approx(math.exp(entropy(list(count.values()))))


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
    assert metric.counts is not None
    assert metric.counts.tolist() == [[1, 2, 0, 0, 0, 0, 0, 1]]
    assert metric.tokens == 4
    assert result["usage"].to_dict() == {
        "value": 3 / 8,
        "stamp": "whole set; 4 tokens, fewer than codes",
        "better": "higher",
    }
    enough = filled(torch.zeros(2, 2, 2, dtype=torch.int64), 8).compute()
    assert enough["perplexity"].stamp == "whole set; 8 tokens"


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 9), st.integers(2, 4), st.integers(0, 999), st.booleans())
def test_several_codebooks_equal_plain_counts(
    size: int, codebooks: int, seed: int, absent: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(-absent, size, (5, 2, 3, codebooks), generator=generator)
    metric = filled(codes, size, batch=2)
    seen = [
        [code for code in column.flatten().tolist() if code >= 0] for column in codes.unbind(-1)
    ]
    counts = [[column.count(code) for code in range(size)] for column in seen]
    assert metric.counts is not None
    assert metric.counts.tolist() == counts
    assert metric.tokens == 30
    result = metric.compute()
    used = sum(n > 0 for row in counts for n in row)
    assert result["usage"].value == pytest.approx(used / (size * codebooks))
    perplexities = [math.exp(entropy(row)) for row in counts]
    assert result["perplexity"].value == pytest.approx(sum(perplexities) / codebooks)
    assert result["usage"].stamp.endswith(f"; of all codes of {codebooks} codebooks")
    assert result["perplexity"].stamp.endswith(f"; mean over {codebooks} codebooks")


def bit_entropy(codes: Tensor, bits: int) -> float:
    """Mean entropy of the binary digits, one digit, one code at a time."""
    each = []
    for column in codes.unbind(-1):
        seen = [code for code in column.flatten().tolist() if code >= 0]
        for digit in range(bits):
            ones = sum(code >> digit & 1 for code in seen)
            each.append(entropy([ones, len(seen) - ones]) / math.log(2))
    return sum(each) / len(each)


@pytest.mark.parametrize(("size", "bits"), [(2**36, 36), (2**21, 21), (2**20 + 1, 21)])
def test_a_huge_codebook_has_its_bits_measured(size: int, bits: int) -> None:
    codes = torch.randint(size, (5, 2, 3, 2)) & torch.randint(size, (5, 2, 3, 2))
    codes[torch.rand(codes.shape) < 0.3] = -1
    metric = filled(codes, size, batch=2)
    assert metric.counts is None
    assert metric.bit_entropies is not None
    assert metric.bit_entropies.shape == (2, bits)
    assert sum(value.numel() for value in metric.sums.values()) < 100
    (key,) = metric.compute()
    assert key == "bit_entropy"
    assert metric.compute()[key].value == pytest.approx(bit_entropy(codes, bits))
    assert set(metric.missing) == {"usage", "perplexity", "code_entropy"}
    constant = filled(torch.full((1, 2, 2), size - 1), size).compute()
    assert constant[key].value == 0
    assert constant[key].stamp == "whole set; 4 tokens; mean over the binary digits of a code"


def test_the_largest_codebook_that_is_counted() -> None:
    metric = CodebookUse(2**20)
    assert metric.keys == ("usage", "perplexity", "code_entropy", "bit_entropy")
    assert not metric.missing


@pytest.mark.parametrize(("code", "shape"), [(-1, (1, 1, 1)), (8, (1, 1, 1)), (-2, (1, 1, 1, 2))])
def test_codes_outside_the_codebook_are_refused(code: int, shape: tuple[int, ...]) -> None:
    with pytest.raises(ContractBroken, match="codebook of 8"):
        filled(torch.full(shape, code), 8)


@pytest.mark.parametrize("shape", [(1, 2, 2), (1, 2, 2, 2), (1, 2, 2, 4)])
def test_codes_of_another_number_of_codebooks_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ContractBroken, match="of 3 codebooks"):
        CodebookUse(8, 3).update(images(1), images(1), torch.zeros(shape, dtype=torch.int64))


def test_nothing_evaluated_is_an_error() -> None:
    with pytest.raises(DataError, match="0 tokens"):
        CodebookUse(8).compute()


def rank_share(codes: Tensor, cut: int, size: int) -> dict[str, float]:
    from vqx.collectives import rank

    part = codes[:cut] if rank() == 0 else codes[cut:]
    metric = CodebookUse(size, codes.shape[-1])
    metric.update(images(len(part)), images(len(part)), part)
    metric.merge()
    return {key: value.value for key, value in metric.compute().items()}


@pytest.mark.parametrize("size", [32, 2**36])
@pytest.mark.parametrize("cut", [4, 7])
def test_two_ranks_equal_one(two_ranks: GlooPool, cut: int, size: int) -> None:
    codes = torch.randint(size, (7, 3, 3, 2))
    expected = {key: value.value for key, value in filled(codes, size).compute().items()}
    for values in two_ranks(rank_share, codes, cut, size):
        assert values == expected


def test_entropies_of_counted_codes_are_those_of_their_digits_and_of_an_ideal_coder() -> None:
    codes = torch.randint(0, 5, (3, 8, 8, 2), generator=torch.Generator().manual_seed(0))
    metric = CodebookUse(5, 2)
    metric.update(images(3), images(3), codes)
    metric.merge()
    found = metric.compute()
    bits = digits = 0.0
    for column in codes.reshape(-1, 2).unbind(1):
        shares = column.bincount(minlength=5) / len(column)
        bits -= sum(float(p * p.log2()) for p in shares if p)
        for digit in range(3):
            p = float(((column >> digit) & 1).double().mean())
            digits += sum(-x * math.log2(x) for x in (p, 1 - p) if x)
    assert found["code_entropy"].value == pytest.approx(bits, rel=1e-5)
    assert found["bit_entropy"].value == pytest.approx(digits / 6, rel=1e-5)
    assert metric.bit_entropies is None  # of counted codes the counts tell more
