"""Strips of images as data URIs."""

import base64

import pytest
from PIL import Image

from vqx.errors import VqxError
from vqx.reporting.page import strips
from vqx.reporting.page.limits import Budget
from vqx.reporting.page.strips import Strips, images_in, read_strip


def picture(path, *, color="red", size=(96, 32)):
    Image.new("RGB", size, color).save(path, format="PNG")
    return path


def test_a_strip_is_the_very_file_with_its_size(tmp_path):
    path = picture(tmp_path / "inputs.png")
    found = Strips(Budget(10_000))
    assert found.add(path) == 0
    (strip,) = found.found
    assert base64.b64decode(strip["uri"].partition(",")[2]) == path.read_bytes()
    assert strip["uri"].startswith("data:image/png;base64,")
    assert (strip["width"], strip["height"], strip["count"]) == (96, 32, 3)


def test_equal_pictures_are_kept_once(tmp_path):
    found = Strips(Budget(10_000))
    same = [found.add(picture(tmp_path / name)) for name in ("inputs.png", "again.png")]
    other = found.add(picture(tmp_path / "outputs.png", color="blue"))
    assert same == [0, 0]
    assert other == 1
    assert len(found.found) == 2


def test_a_full_page_takes_no_new_picture_but_knows_those_it_has(tmp_path):
    first = picture(tmp_path / "inputs.png")
    found = Strips(Budget(400))
    assert found.add(first) == 0
    assert found.add(picture(tmp_path / "outputs.png", size=(960, 320))) is None
    assert found.add(first) == 0
    assert found.budget.refused == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no images/inputs.png"),
        (b"", "images/inputs.png is no PNG file"),
        (b"<svg onload=alert(1)>", "images/inputs.png is no PNG file"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(8), r"images/inputs.png is damaged \(0x0"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path, content, said):
    path = tmp_path / "inputs.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VqxError, match=said):
        read_strip(path)


def test_a_picture_too_large_for_a_page_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(strips, "PICTURE_BYTES", 10)
    with pytest.raises(VqxError, match=r"images/inputs.png is too large for a page \(\d+ bytes\)"):
        read_strip(picture(tmp_path / "inputs.png"))


@pytest.mark.parametrize(("size", "count"), [((256, 32), 8), ((32, 32), 1), ((100, 32), 1)])
def test_images_are_counted_where_they_are_square(size, count):
    assert images_in(*size) == count
