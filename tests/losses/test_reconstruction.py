"""L1 and L2 are means over all values, in the model's space."""

import pytest
import torch

from vqx.losses import L1, L2


def test_definitions() -> None:
    x, y = (torch.rand(2, 3, 4, 5, 6) * 2 - 1).double()
    x, y = x[..., 0], y[..., 0]
    assert float(L1()(x, y)) == pytest.approx(float((x - y).abs().sum()) / x.numel())
    assert float(L2()(x, y)) == pytest.approx(float((x - y).pow(2).sum()) / x.numel())


def test_the_mean_of_equal_shards_is_that_of_the_batch() -> None:
    x, y = torch.rand(8, 3, 4, 4), torch.rand(8, 3, 4, 4)
    for loss in (L1(), L2()):
        shards = [loss(a, b) for a, b in zip(x.split(2), y.split(2), strict=True)]
        assert float(torch.stack(shards).mean()) == pytest.approx(float(loss(x, y)), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_inputs_are_compared_in_float32(dtype: torch.dtype) -> None:
    x, y = torch.ones(1, 1, 300, 300, dtype=dtype), torch.zeros(1, 1, 300, 300)
    for loss in (L1(), L2()):
        value = loss(x, y)
        assert value.dtype == torch.float32
        assert float(value) == 1
