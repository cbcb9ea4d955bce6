"""Which files a folder holds and to which split they belong."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.files import touch
from vqx.data.listing import hashed_fraction, image_names, printable
from vqx.errors import DataError


def test_images_are_found_nested_in_any_case_sorted_and_nothing_else(tmp_path):
    touch(tmp_path, "b.PNG", "a/x.JpEg", "a/größe/図.jpg", "z.bmp", "z.webp", "z.TIF")
    touch(tmp_path, "notes.txt", "png", "a/._x.jpg", ".hidden/y.png", "c.gif", "d.png.part")
    assert image_names(tmp_path) == [
        "a/größe/図.jpg",
        "a/x.JpEg",
        "b.PNG",
        "z.TIF",
        "z.bmp",
        "z.webp",
    ]


def test_links_are_followed_but_not_in_circles(tmp_path):
    touch(tmp_path, "elsewhere/x.png", "root/y.png")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "up").symlink_to(tmp_path / "root")
    assert image_names(tmp_path / "root") == ["link/x.png", "y.png"]


def test_a_folder_that_cannot_be_listed_is_an_error_not_a_smaller_set(tmp_path, monkeypatch):
    touch(tmp_path, "a/x.png", "b/y.png")
    scan = os.scandir

    def scan_all_but_b(folder):
        if os.fspath(folder).endswith("b"):
            raise PermissionError(13, "Permission denied", folder)
        return scan(folder)

    monkeypatch.setattr(os, "scandir", scan_all_but_b)
    with pytest.raises(
        DataError, match=r"b cannot be listed \(Permission denied\): make it readable"
    ):
        image_names(tmp_path)


def test_names_of_any_bytes_can_be_printed(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"a\xff.png")).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (name,) = image_names(tmp_path)
    assert printable(name) == "a\ufffd.png"
    assert 0 <= hashed_fraction(name) < 1


def test_the_hash_is_fixed_and_does_not_depend_on_how_accents_are_stored():
    assert hashed_fraction("a/b.png") == pytest.approx(0.5350330, abs=1e-6)
    assert hashed_fraction("e\u0301.png") == hashed_fraction("\u00e9.png")


@given(st.text())
def test_the_hash_is_a_fraction(name):
    assert 0 <= hashed_fraction(name.encode("utf-8", "ignore").decode()) < 1
