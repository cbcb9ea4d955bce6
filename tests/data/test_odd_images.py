"""What becomes of every odd kind of image file."""

import io
import os
import warnings

import numpy as np
import pytest
from PIL import Image

from tests.data.files import noise
from tests.data.odd_images import SIDE, odd_images
from vqx.data.layouts import find_sources
from vqx.data.listing import printable
from vqx.data.recipe import Recipe


@pytest.mark.parametrize("odd", odd_images(), ids=lambda odd: odd.kind)
def test_each_kind_is_read_as_it_is_meant_or_refused_in_one_line(odd, capfd):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            pixels, reason = Recipe(3, SIDE).pixels(io.BytesIO(odd.content)), None
        except Exception as error:
            pixels, reason = None, str(error)
    assert not seen
    assert capfd.readouterr() == ("", "")
    if odd.corners is None:
        assert reason is not None
        assert odd.reason in reason
        assert "\n" not in reason
    else:
        assert reason is None
        assert min(pixels.shape[:2]) == SIDE
        lossy = odd.content.startswith(b"\xff\xd8")  # JPEG
        assert pixels[0, 0] == pytest.approx(odd.corners[0], abs=2 * lossy)
        assert pixels[0, -1] == pytest.approx(odd.corners[1], abs=2 * lossy)


@pytest.mark.parametrize(
    "odd", [odd for odd in odd_images() if odd.corners], ids=lambda odd: odd.kind
)
def test_one_channel_is_the_grey_of_three(odd):
    grey = Recipe(1, SIDE).pixels(io.BytesIO(odd.content))
    assert grey.shape[2] == 1
    weights = (0.299, 0.587, 0.114)  # ITU-R 601
    assert grey[0, 0, 0] == pytest.approx(np.dot(weights, odd.corners[0]), abs=2)


def test_any_name_is_read_and_content_counts_not_the_suffix(tmp_path):
    pixels = noise(SIDE, SIDE)
    names = ["a png.jpg", "größe 図\n.PNG", os.fsdecode(b"not \xff UTF-8.png")]
    for name in names:
        try:
            Image.fromarray(pixels).save(tmp_path / name, format="PNG")
        except OSError:
            pytest.skip("this file system takes UTF-8 names only")
    (tmp_path / "text.png").write_text("hello")
    sources = find_sources(None, tmp_path)
    readable = 0
    for source in sources.values():
        for index, name in enumerate(source.names):
            printable(name).encode()
            with source.open(index) as file:
                if name == "text.png":
                    with pytest.raises(OSError, match="begins with b'hello'"):
                        Recipe(3, SIDE).pixels(file)
                else:
                    assert np.array_equal(Recipe(3, SIDE).pixels(file), pixels)
                    readable += 1
    assert readable == 3
