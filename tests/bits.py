"""Equality to the last bit of what checkpoints hold."""

from typing import Any

import torch


def assert_same_bits(ours: Any, theirs: Any) -> None:
    """Nested containers of equal tensors and values, of the same types."""
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            assert_same_bits(value, theirs[key])
    elif isinstance(ours, list):
        for one, other in zip(ours, theirs, strict=True):
            assert_same_bits(one, other)
    elif isinstance(ours, torch.Tensor):
        assert torch.equal(ours, theirs)
    else:
        assert ours == theirs
