"""What every metric shares: images count once."""

import pytest
import torch
from torch import Tensor

from vqx.metrics import Measurement, Metric
from vqx.metrics.base import integer_sum


class Images(Metric):
    keys = ("images",)

    def __init__(self) -> None:
        super().__init__({"images": integer_sum()})

    def compute(self) -> dict[str, Measurement]:
        return {"images": Measurement(float(self._count("images")), "", None)}

    def _add(self, real: Tensor, fake: Tensor, codes: Tensor) -> None:
        assert not torch.is_grad_enabled()
        assert not torch.is_autocast_enabled("cpu")
        self.sums["images"] += len(real)


def batch(count: int) -> tuple[Tensor, Tensor, Tensor]:
    pixels = torch.zeros(count, 1, 2, 2, dtype=torch.uint8)
    return pixels, pixels, torch.zeros(count, 1, 1, dtype=torch.int64)


def test_batches_add_up_and_an_empty_one_is_nothing() -> None:
    metric = Images()
    with torch.autocast("cpu"):
        for count in (3, 0, 2):
            metric.update(*batch(count))
    assert metric.compute()["images"].value == 5


def test_merging_twice_or_updating_after_it_is_a_mistake() -> None:
    metric = Images()
    metric.merge()
    with pytest.raises(AssertionError, match="twice"):
        metric.merge()
    with pytest.raises(AssertionError, match="after merge"):
        metric.update(*batch(1))
    metric.reset()
    metric.update(*batch(1))
    assert metric.compute()["images"].value == 1


def test_moving_returns_itself() -> None:
    metric = Images()
    assert metric.to("cpu") is metric
