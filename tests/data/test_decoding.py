"""Every kind of image file becomes 8-bit grey or RGB as it is meant to look."""

import numpy as np
import pytest
from PIL import Image

from tests.data.files import noise
from vqx.data.decoding import is_grey, open_upright


def pixels(path, channels):
    return np.asarray(open_upright(path, channels=channels))


def save(path, image, **options):
    image.save(path, **options)
    return path


def test_rgb_and_grey_pass_unchanged(tmp_path):
    colour, grey = noise(4, 5), noise(4, 5, 1)
    a = save(tmp_path / "a.png", Image.fromarray(colour))
    b = save(tmp_path / "b.bmp", Image.fromarray(grey))
    assert np.array_equal(pixels(a, 3), colour)
    assert np.array_equal(pixels(b, 1), grey)
    assert np.array_equal(pixels(b, 3), np.repeat(grey[:, :, None], 3, axis=2))
    assert np.array_equal(pixels(a, 1), np.asarray(Image.fromarray(colour).convert("L")))


@pytest.mark.parametrize("channels", [1, 3])
def test_transparent_parts_show_white(tmp_path, channels):
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0] = 10, 10, 10, 255
    rgba[0, 1] = 10, 10, 10, 0
    rgba[1, 0] = 0, 0, 0, 51  # a fifth of black over white
    path = save(tmp_path / "a.png", Image.fromarray(rgba, "RGBA"))
    assert pixels(path, channels).reshape(4, -1)[:, 0].tolist() == [10, 255, 204, 255]


def test_grey_with_alpha_shows_white(tmp_path):
    la = np.array([[[30, 255], [30, 0]]], np.uint8)
    path = save(tmp_path / "a.png", Image.fromarray(la, "LA"))
    assert pixels(path, 1).tolist() == [[30, 255]]


def test_a_colour_marked_transparent_shows_white(tmp_path):
    image = Image.fromarray(np.array([[[1, 2, 3], [9, 9, 9]]], np.uint8))
    path = save(tmp_path / "a.png", image, transparency=(1, 2, 3))
    assert pixels(path, 3).tolist() == [[[255, 255, 255], [9, 9, 9]]]


def test_palettes_become_their_colours(tmp_path):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    opaque = save(tmp_path / "a.png", image)
    assert pixels(opaque, 3).tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]
    see_through = save(tmp_path / "b.png", image, transparency=1)
    assert pixels(see_through, 3).tolist() == [[[255, 0, 0], [255, 255, 255], [0, 0, 255]]]


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    values = np.array([[0, 257, 128 * 257, 65535, 300, 255]], np.uint16)
    path = save(tmp_path / "a.png", Image.fromarray(values))
    assert pixels(path, 1).tolist() == [[0, 1, 128, 255, 1, 1]]
    assert pixels(path, 3)[0, :, 2].tolist() == [0, 1, 128, 255, 1, 1]


def test_black_and_white_and_cmyk(tmp_path):
    bits = save(tmp_path / "a.png", Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1"))
    assert pixels(bits, 1).tolist() == [[0, 255]]
    flat = Image.new("CMYK", (16, 16), (255, 0, 0, 0))  # cyan
    path = save(tmp_path / "b.jpg", flat, quality=100)
    assert np.abs(pixels(path, 3)[8, 8].astype(int) - [0, 255, 255]).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied(tmp_path, orientation):
    upright = noise(3, 4)
    turns = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: np.rot90(a, 2),
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),  # shown turned clockwise: stored turned back
        7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }
    stored = Image.fromarray(np.ascontiguousarray(turns[orientation](upright)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "a.png", stored, exif=exif)
    assert np.array_equal(pixels(path, 3), upright)


def test_headers_tell_grey_from_colour(tmp_path):
    grey = save(tmp_path / "a.png", Image.fromarray(noise(3, 3, 1)))
    deep = save(tmp_path / "b.png", Image.fromarray(np.zeros((3, 3), np.uint16)))
    alpha = save(tmp_path / "c.png", Image.fromarray(np.zeros((3, 3, 2), np.uint8), "LA"))
    colour = save(tmp_path / "d.jpg", Image.fromarray(noise(3, 3)))
    palette = save(tmp_path / "e.png", Image.fromarray(noise(3, 3)).convert("P"))
    assert [is_grey(p) for p in (grey, deep, alpha, colour, palette)] == [True] * 3 + [False] * 2


def test_grey_of_a_jpeg_is_that_of_its_colours_and_not_its_luma(tmp_path):
    path = save(tmp_path / "a.jpg", Image.fromarray(noise(16, 24)), quality=90)
    colours = pixels(path, 3).astype(np.float64)
    grey = colours @ [0.299, 0.587, 0.114]
    assert np.abs(pixels(path, 1) - grey).max() <= 0.51
