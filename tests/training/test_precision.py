"""Precisions: autocast types, clipping, and an overflow in fp16 that costs one step only."""

import pytest
import torch
from torch import nn

from vqx.training.precision import Precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)],
)
def test_products_run_in_the_named_precision(name, dtype):
    with Precision(name, CPU).autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def updated(name, gradient, clip):
    weight = nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    precision = Precision(name, CPU)
    precision.backward((weight * torch.tensor(gradient)).sum())
    norm = precision.update(optimizer, [weight], clip)
    return weight.detach().tolist(), float(norm), precision.scaler.get_scale()


@pytest.mark.parametrize("name", ["fp32", "bf16", "fp16"])
def test_the_unscaled_gradient_is_clipped(name):
    weight, norm, _ = updated(name, [3.0, 4.0], 1.0)
    assert norm == pytest.approx(5)
    assert weight == pytest.approx([-0.6, -0.8])
    assert updated(name, [3.0, 4.0], None)[0] == pytest.approx([-3, -4])


def test_an_overflow_in_fp16_skips_the_step_and_lowers_the_scale():
    weight, _, scale = updated("fp16", [float("inf"), 1.0], 1.0)
    assert weight == [0.0, 0.0]
    assert scale < updated("fp16", [1.0, 1.0], 1.0)[2]
