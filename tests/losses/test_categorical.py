"""Cross-entropy of levels against a loop over values."""

import math
from typing import Any

import pytest
import torch

from vqx.errors import ConfigError
from vqx.losses.categorical import CrossEntropy


@pytest.mark.parametrize("levels", [2, 4, 256])
def test_the_definition(levels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    byte = torch.randint(0, 256, (2, 3, 4, 5), generator=generator)
    logits = torch.randn(2, 3 * levels, 4, 5, generator=generator)
    total = 0.0
    for b, c, y, x in torch.cartesian_prod(*[torch.arange(n) for n in byte.shape]).tolist():
        # Channel c's levels lie next to each other.
        scores = logits[b, c * levels : (c + 1) * levels, y, x].double()
        level = int(byte[b, c, y, x]) * levels // 256
        total += float(scores.exp().sum().log() - scores[level])
    value = CrossEntropy(levels)(logits, byte.float().div(127.5).sub(1))
    assert float(value) == pytest.approx(total / byte.numel(), rel=1e-5)
    spread = logits.to(memory_format=torch.channels_last)
    torch.testing.assert_close(CrossEntropy(levels)(spread, byte.float() / 127.5 - 1), value)


@pytest.mark.parametrize("levels", [2, 8, 256])
def test_bins_are_of_equal_width(levels: int) -> None:
    byte = torch.arange(256).view(1, 1, 16, 16)
    found = CrossEntropy(levels).levels_of(byte.float().div(127.5).sub(1))
    assert torch.equal(found.flatten(), torch.arange(256) * levels // 256)
    assert torch.equal(found.flatten().bincount(), torch.full((levels,), 256 // levels))


def test_known_values() -> None:
    images = torch.rand(2, 3, 4, 4) * 2 - 1
    loss = CrossEntropy(16)
    assert float(loss(torch.zeros(2, 48, 4, 4), images)) == pytest.approx(math.log(16))
    sure = torch.nn.functional.one_hot(loss.levels_of(images), 16).movedim(-1, 2) * 100.0
    assert float(loss(sure.flatten(1, 2), images)) < 1e-6


def test_it_is_float32_and_descends() -> None:
    images = torch.rand(2, 1, 4, 4) * 2 - 1
    logits = torch.zeros(2, 4, 4, 4, dtype=torch.bfloat16, requires_grad=True)
    value = CrossEntropy(4)(logits, images)
    value.backward()
    assert value.dtype == torch.float32
    assert logits.grad is not None
    assert CrossEntropy(4)(logits.detach() - 8 * logits.grad, images) < value


def test_its_kind() -> None:
    assert CrossEntropy.of_logits
    assert CrossEntropy(32).levels == 32


@pytest.mark.parametrize("levels", [1, 0, 3, 512, 2.0])
def test_unequal_bins_are_refused(levels: Any) -> None:
    with pytest.raises(ConfigError, match=f"levels {levels}"):
        CrossEntropy(levels)
