"""Resampling against a loop that does what its definition says, and its derivatives."""

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from vqx.models.resampling import binomial_filter, upfirdn


def reference(
    x: list[float], taps: list[float], up: int, down: int, pad: tuple[int, int]
) -> Tensor:
    """One line, value by value: insert zeros, pad or crop, convolve, keep each `down`-th."""
    spread: list[float] = []
    for value in x:
        spread += [value, *[0.0] * (up - 1)]
    before, after = pad
    spread = [0.0] * before + spread if before >= 0 else spread[-before:]
    spread = spread + [0.0] * after if after >= 0 else spread[:after]
    out = []
    for start in range(0, len(spread) - len(taps) + 1, down):
        # Convolution: the last value of the window meets the first of the taps.
        window = spread[start : start + len(taps)]
        out.append(sum(tap * value for tap, value in zip(taps, reversed(window), strict=True)))
    return torch.tensor(out, dtype=torch.float64)


def along(axis: int, x: Tensor, *args: object) -> Tensor:
    """The reference along one axis of `x` (B, C, H, W)."""
    x = x.movedim(axis, -1)
    lines = [reference(line.tolist(), *args) for line in x.reshape(-1, x.shape[-1])]  # type: ignore[arg-type]
    return torch.stack(lines).unflatten(0, x.shape[:-1]).movedim(-1, axis)


@pytest.mark.parametrize("up", [1, 2, 3])
@pytest.mark.parametrize("down", [1, 2, 3])
@pytest.mark.parametrize("padding", [(0, 0), (2, 1), (0, 3), (-1, 2), (1, -2)])
def test_upfirdn_is_its_definition(up: int, down: int, padding: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 6, 7, generator=generator, dtype=torch.float64)
    taps = torch.tensor([0.3, -1.0, 0.5, 2.0], dtype=torch.float64)  # lopsided: flips would show
    expected = along(2, x, taps.tolist(), up, down, padding)
    expected = along(3, expected, taps.tolist(), up, down, padding)
    value = upfirdn(x, taps, up=up, down=down, padding=padding)
    torch.testing.assert_close(value, expected)


def test_gradients_of_both_orders() -> None:
    x = torch.randn(2, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64)

    def cubed(x: Tensor) -> Tensor:
        return upfirdn(x, taps, up=2, down=3, padding=(2, 1)) ** 3

    assert gradcheck(cubed, (x,))
    assert gradgradcheck(cubed, (x,))


def test_the_binomial_filter() -> None:
    torch.testing.assert_close(binomial_filter(3), torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8)
    torch.testing.assert_close(binomial_filter(4), torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16)


def test_a_constant_stays_constant_away_from_the_border() -> None:
    taps = binomial_filter()
    ones = torch.ones(1, 1, 8, 8)
    torch.testing.assert_close(upfirdn(ones, taps, down=2)[..., 0], torch.ones(1, 1, 3))
    doubled = upfirdn(ones, 2 * taps, up=2, padding=(2, 1))[..., 3:-3, 3:-3]
    torch.testing.assert_close(doubled, torch.ones_like(doubled))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_the_type_is_kept(dtype: torch.dtype) -> None:
    x = torch.ones(1, 2, 4, 4, dtype=dtype).contiguous(memory_format=torch.channels_last)
    assert upfirdn(x, binomial_filter(), padding=(2, 1)).dtype == dtype
