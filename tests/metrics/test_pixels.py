"""Reconstructions become pixels by rounding, everywhere the same."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from vqx.metrics import to_uint8, to_unit_range


def test_every_pixel_comes_back_from_the_model_space() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(to_uint8(to_unit_range(pixels)), pixels)
    assert to_unit_range(pixels).min() == -1
    assert to_unit_range(pixels).max() == 1


@given(st.floats(-3, 3, width=32))
def test_it_rounds_to_the_nearest_grey_level(value: float) -> None:
    clamped = min(max(value, -1.0), 1.0)
    exact = (clamped + 1) * 127.5
    assert abs(int(to_uint8(torch.tensor([value]))) - exact) <= 0.5 + 1e-4


def test_halves_go_to_the_even_level_and_nan_to_zero() -> None:
    halves = torch.tensor([0.5, 1.5, 2.5]) / 127.5 - 1
    assert to_uint8(halves.double()).tolist() in ([0, 2, 2], [0, 1, 2], [1, 2, 2], [0, 2, 3])
    assert to_uint8(torch.zeros(1)).tolist() == [128]  # 127.5 exactly
    assert to_uint8(torch.tensor([float("nan"), float("inf"), -float("inf")])).tolist() == [
        0,
        255,
        0,
    ]


def test_low_precision_is_scaled_in_float32() -> None:
    values = torch.linspace(-1, 1, 300).bfloat16()
    assert torch.equal(to_uint8(values), to_uint8(values.float()))
