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


def test_a_tie_goes_to_the_even_level_and_what_is_no_number_to_an_end() -> None:
    assert int(to_uint8(torch.zeros(()))) == 128  # 127.5
    extremes = torch.tensor([float("nan"), -float("inf"), float("inf")])
    assert to_uint8(extremes).tolist() == [0, 0, 255]


def test_low_precision_is_scaled_in_float32() -> None:
    values = torch.linspace(-1, 1, 300).bfloat16()
    assert torch.equal(to_uint8(values), to_uint8(values.float()))
