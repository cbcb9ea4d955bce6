"""When a run counts as collapsed: relative to what its tokens allow."""

import pytest

from vqx.training.collapse import collapse_note


def note(usage=None, *, tokens=1000, codes=100, floor=0.05, **values):
    values = {"usage": usage} if usage is not None else values
    return collapse_note(values, tokens=tokens, codebook_size=codes, floor=floor)


def test_usage_under_the_floor_is_named_with_it():
    assert note(0.05) is None
    assert note(0.0499) == "usage 4.99% of 100 codes, under trainer.collapse_floor=0.05"
    assert note(0.0499, floor=0.04) is None


def test_few_tokens_cannot_use_many_codes():
    assert note(0.004, tokens=10) == (
        "usage 0.40% of 100 codes is 4.00% of what 10 tokens allow, "
        "under trainer.collapse_floor=0.05"
    )
    assert note(0.006, tokens=10) is None


def test_without_usage_the_entropy_of_bits_counts():
    assert note(bit_entropy=0.06, codes=2**36) is None
    assert note(bit_entropy=0.04, codes=2**36) == (
        "bit entropy 0.0400 of 1, under trainer.collapse_floor=0.05"
    )


@pytest.mark.parametrize("usage", [0.0, 0.01])
def test_null_turns_it_off(usage):
    assert note(usage, floor=None) is None


def test_no_metric_is_no_collapse():
    assert note(psnr=1.0) is None
