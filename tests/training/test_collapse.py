"""When a run counts as collapsed: its worst codebook, relative to what its tokens allow."""

import torch

from vqx.training.collapse import collapse_note


def counts_of(*used, codes):
    """Counts (Q, K) of codebooks with so many `used` codes each."""
    return torch.stack([3 * (torch.arange(codes) < n) for n in used])


def note(*used, codes=10_000, tokens=100_000, floor=0.05):
    return collapse_note(counts_of(*used, codes=codes), None, tokens=tokens, floor=floor)


def entropy_note(*entropies, floor=0.05):
    each = torch.tensor(entropies, dtype=torch.float64)
    return collapse_note(None, torch.stack([0.5 * each, 1.5 * each], 1), tokens=9, floor=floor)


def test_usage_under_the_floor_is_named_with_it():
    assert note(500) is None
    assert note(499) == "usage 4.99% of 10,000 codes, under trainer.collapse_floor=0.05"
    assert note(499, floor=0.04) is None


def test_few_tokens_cannot_use_many_codes():
    assert note(4, codes=1000, tokens=100) == (
        "usage 0.40% of 1,000 codes is 4.00% of what 100 tokens allow, "
        "under trainer.collapse_floor=0.05"
    )
    assert note(6, codes=1000, tokens=100) is None


def test_one_dead_codebook_of_several_is_enough_and_named():
    assert note(90, 80, 5, 60, codes=100) is None
    assert note(90, 80, 4, 60, codes=100) == (
        "usage 4.00% of 100 codes in codebook 3 of 4, under trainer.collapse_floor=0.05"
    )
    assert "usage 1.00% of 100 codes in codebook 1 of 2," in note(1, 4, codes=100)
    assert "usage 0.40% of 1,000 codes in codebook 2 of 2 is 4.00% of what" in note(
        900, 4, codes=1000, tokens=100
    )


def test_without_counts_the_entropy_of_bits_counts():
    assert entropy_note(0.06) is None
    assert entropy_note(0.04) == "bit entropy 0.0400 of 1, under trainer.collapse_floor=0.05"
    assert entropy_note(0.9, 0.04) == (
        "bit entropy 0.0400 of 1 in codebook 2 of 2, under trainer.collapse_floor=0.05"
    )


def test_null_turns_it_off():
    assert note(0, floor=None) is None
    assert entropy_note(0.0, floor=None) is None


def test_no_measurement_is_no_collapse():
    assert collapse_note(None, None, tokens=9, floor=0.05) is None
