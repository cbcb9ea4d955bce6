"""L1, L2 and normalized L2 are means over all values, in the model's space."""

import pytest
import torch

from vqx.errors import ConfigError
from vqx.losses.reconstruction import L1, L2, NormalizedL2


def test_definitions() -> None:
    x, y = (torch.rand(2, 3, 4, 5, 6) * 2 - 1).double()
    x, y = x[..., 0], y[..., 0]
    assert float(L1()(x, y)) == pytest.approx(float((x - y).abs().sum()) / x.numel())
    assert float(L2()(x, y)) == pytest.approx(float((x - y).pow(2).sum()) / x.numel())


def test_the_mean_of_equal_shards_is_that_of_the_batch() -> None:
    x, y = torch.rand(8, 3, 4, 4), torch.rand(8, 3, 4, 4)
    for loss in (L1(), L2(), NormalizedL2(1.0)):
        shards = [loss(a, b) for a, b in zip(x.split(2), y.split(2), strict=True)]
        assert float(torch.stack(shards).mean()) == pytest.approx(float(loss(x, y)), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_inputs_are_compared_in_float32(dtype: torch.dtype) -> None:
    x, y = torch.ones(1, 1, 300, 300, dtype=dtype), torch.zeros(1, 1, 300, 300)
    for loss in (L1(), L2(), NormalizedL2(1.0)):
        value = loss(x, y)
        assert value.dtype == torch.float32
        assert float(value) == 1


def test_normalized_l2_is_l2_over_the_variance() -> None:
    x, y = torch.rand(8, 3, 4, 4) * 2 - 1, torch.rand(8, 3, 4, 4) * 2 - 1
    loss = NormalizedL2(0.25)
    assert not loss.needs_variance
    torch.testing.assert_close(loss(x, y), L2()(x, y) / 0.25)
    shards = [loss(a, b) for a, b in zip(x.split(2), y.split(2), strict=True)]
    torch.testing.assert_close(torch.stack(shards).mean(), loss(x, y))


def test_the_data_mean_has_a_normalized_error_of_one() -> None:
    y = torch.randn(16, 3, 8, 8) * 0.3 + 0.1
    loss = NormalizedL2()
    loss.set_variance(float(y.var(correction=0)))
    assert float(loss(y.mean().expand_as(y), y)) == pytest.approx(1, rel=1e-5)


def test_the_variance_is_asked_for_until_it_is_known() -> None:
    loss, restored = NormalizedL2(), NormalizedL2()
    x = torch.zeros(1, 1, 2, 2)
    assert loss.needs_variance
    with pytest.raises(RuntimeError, match="set_variance"):
        loss(x, x)
    loss.set_variance(0.5)
    assert not loss.needs_variance
    restored.load_state_dict(loss.state_dict())
    assert not restored.needs_variance
    assert float(restored(x + 1, x)) == 2
    assert list(loss.parameters()) == []


@pytest.mark.parametrize("variance", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_variance_is_refused(variance: float) -> None:
    with pytest.raises(ConfigError, match=f"variance {variance}"):
        NormalizedL2(variance)
    with pytest.raises(ConfigError, match="constant images"):
        NormalizedL2().set_variance(variance)
