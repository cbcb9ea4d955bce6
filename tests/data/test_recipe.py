"""Resizing and cutting: Pillow's filters, ADM's way, and windows where the position says."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.data.files import noise
from vqx.data.recipe import FILTERS, Recipe, resize_as_adm, resize_short_side
from vqx.errors import ConfigError


def encoded(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, format="BMP")
    file.seek(0)
    return file


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 40))
def test_the_short_side_gets_its_size_and_the_shape_is_kept(height, width, size):
    image = resize_short_side(Image.new("L", (width, height)), size, "bicubic")
    assert min(image.size) == size
    assert max(image.size) == pytest.approx(size * max(height, width) / min(height, width), abs=0.5)


@pytest.mark.parametrize("filter_name", [name for name in FILTERS if name != "adm"])
def test_each_filter_is_pillow_s_with_antialiasing(filter_name):
    pixels = Recipe(3, 5, filter_name).pixels(encoded(noise(10, 21)))
    expected = Image.fromarray(noise(10, 21)).resize((11, 5), Image.Resampling[filter_name.upper()])
    assert np.array_equal(pixels, np.asarray(expected))


def test_the_right_size_is_left_alone():
    image = Image.fromarray(noise(10, 20))
    assert resize_short_side(image, 10, "lanczos") is image
    assert resize_as_adm(image, 10) is image


def resampled(array, out, axis, kernel, support):
    """Slow: each pixel the mean, weighted by `kernel` widened to the scale, rounded to 8 bits."""
    length = array.shape[axis]
    scale = length / out
    wide = max(scale, 1.0)
    rows = []
    for place in range(out):
        centre = (place + 0.5) * scale
        low, high = centre - support * wide, centre + support * wide
        inside = range(max(0, int(low + 0.5)), min(length, int(high + 0.5)))
        weights = np.array([kernel((j + 0.5 - centre) / wide) for j in inside])
        values = np.take(array, list(inside), axis=axis)
        rows.append(np.tensordot(weights / weights.sum(), values, axes=(0, axis)))
    return np.floor(np.stack(rows, axis=axis).clip(0, 255) + 0.5)  # half up, as Pillow


def box(x):
    return 1.0 if -0.5 < x <= 0.5 else 0.0


def bicubic(x):
    x = abs(x)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def resized(candidates, height, width, kernel, support):
    """What each candidate may become: Pillow passes over rows or over columns first, as it likes.

    It rounds and clips in between, so that the order is seen in the pixels.
    """
    out = {}
    for array in candidates:
        for order in ((1, 0), (0, 1)):
            passed = array
            for axis in order:
                if passed.shape[axis] != (height, width)[axis]:
                    length = (height, width)[axis]
                    passed = resampled(passed, length, axis, kernel, support)
            out[passed.tobytes()] = passed
    return list(out.values())


def adm(array, size):
    """Dhariwal and Nichol's resizing of a grey image, from its definition, in all pass orders."""
    candidates, (height, width) = [array.astype(np.float64)], array.shape
    while min(height, width) >= 2 * size:
        height, width = height // 2, width // 2
        candidates = resized(candidates, height, width, box, 0.5)
    scale = size / min(height, width)
    shape = (int(np.rint(side * scale)) for side in (height, width))  # half to even
    return resized(candidates, *shape, bicubic, 2)


@settings(max_examples=25)
@given(st.integers(3, 12), st.integers(3, 50), st.integers(3, 50), st.integers(0, 9))
def test_adm_halves_by_box_then_bicubic(size, height, width, seed):
    array = noise(height, width, 1, seed=seed)
    pixels = Recipe(1, size, "adm").pixels(encoded(array))[:, :, 0]
    expected = adm(array, size)
    assert {one.shape for one in expected} == {pixels.shape}
    # Pillow's weights have finite precision: a level in the first pass, at most two after the next.
    assert min(np.abs(pixels - one).max() for one in expected) <= 2


def test_adm_s_halving_is_the_mean_of_blocks_and_its_long_side_rounds_half_to_even():
    blocks = noise(4, 6, 1).astype(np.float64)
    image = Image.fromarray(np.repeat(np.repeat(blocks, 2, 0), 2, 1).astype(np.uint8))
    assert np.array_equal(np.asarray(resize_as_adm(image, 4)), blocks)
    assert resize_as_adm(Image.new("L", (5, 2)), 1).size == (2, 1)  # halved to 2x1
    assert resize_as_adm(Image.new("L", (5, 4)), 2).size == (2, 2)
    assert resize_as_adm(Image.new("L", (5, 4)), 6).size == (8, 6)  # 7.5 to even
    assert resize_short_side(Image.new("L", (5, 4)), 2, "box").size == (3, 2)  # 2.5 up


def test_adm_differs_from_plain_bicubic_and_says_so():
    file = encoded(noise(40, 40))
    adm, bicubic = Recipe(3, 9, "adm"), Recipe(3, 9)
    assert not np.array_equal(adm.pixels(file), bicubic.pixels(file))
    assert adm.description == (
        "short side 9 px by ADM's box halvings and bicubic, antialiased, long side rounded half to "
        "even"
    )
    assert bicubic.description == (
        "short side 9 px by bicubic, antialiased, long side rounded half up"
    )
    assert "no antialias" in Recipe(3, 9, "nearest").description


@pytest.mark.parametrize("channels", [1, 3])
@given(st.integers(5, 9), st.integers(5, 9), st.floats(0, 1, exclude_max=True))
def test_windows_are_where_the_position_says(channels, height, width, place):
    array = noise(height, width, channels).reshape(height, width, channels)
    recipe = Recipe(channels, min(height, width))
    file = encoded(array.squeeze())
    assert np.array_equal(recipe.pixels(file), array)
    top = int(place * (height - 5 + 1))
    assert np.array_equal(recipe.window(file, 5, (place, 0.0)), array[top : top + 5, :5])
    down, right = (height - 5) // 2, (width - 5) // 2
    centre = array[down : down + 5, right : right + 5]
    assert np.array_equal(recipe.window(file, 5, None), centre)


def test_an_elongated_image_is_refused_where_it_would_become_too_long():
    file = encoded(noise(1, 1000))
    assert Recipe(3, 65).pixels(file).shape == (65, 65_000, 3)
    with pytest.raises(ValueError, match=r"1000 x 1 pixels: .* of 66 .* 66000"):
        Recipe(3, 66).pixels(file)


def test_an_unknown_filter_is_refused():
    with pytest.raises(ConfigError, match="filter=cubic must be one of nearest"):
        Recipe(3, 8, "cubic")
