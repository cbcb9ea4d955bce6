"""Which files a folder holds and to which split they belong."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqx.data.listing import Split, find_splits, hashed_fraction, image_names, printable
from vqx.errors import ConfigError, DataError


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_images_are_found_nested_in_any_case_sorted_and_nothing_else(tmp_path):
    touch(tmp_path, "b.PNG", "a/x.JpEg", "a/größe/図.jpg", "z.bmp")
    touch(tmp_path, "notes.txt", "png", "a/._x.jpg", ".hidden/y.png", "c.gif", "d.png.part")
    assert image_names(tmp_path) == ["a/größe/図.jpg", "a/x.JpEg", "b.PNG", "z.bmp"]


def test_links_are_followed_but_not_in_circles(tmp_path):
    touch(tmp_path, "elsewhere/x.png", "root/y.png")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "up").symlink_to(tmp_path / "root")
    assert image_names(tmp_path / "root") == ["link/x.png", "y.png"]


def test_names_of_any_bytes_can_be_printed(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"a\xff.png")).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (name,) = image_names(tmp_path)
    assert printable(name) == "a\ufffd.png"
    assert 0 <= hashed_fraction(name) < 1


@pytest.mark.parametrize("spelling", ["validation", "val", "valid", "Validation"])
def test_validation_is_preferred_to_test(tmp_path, spelling):
    touch(tmp_path, "train/a.png", f"{spelling}/b.png", "test/c.png")
    train, held_out = find_splits(tmp_path)
    assert train == Split(tmp_path / "train", ["a.png"], "train")
    assert held_out == Split(tmp_path / spelling, ["b.png"], "validation")


def test_the_evaluation_split_can_be_chosen_or_is_what_is_there(tmp_path):
    touch(tmp_path, "train/a.png", "test/c.png")
    test = Split(tmp_path / "test", ["c.png"], "test")
    assert find_splits(tmp_path)[1] == test
    touch(tmp_path, "val/b.png")
    chosen = find_splits(tmp_path, evaluation_split="test")
    assert chosen[1] == test


@pytest.mark.parametrize(
    ("files", "split", "message"),
    [
        (["train/a.png"], None, "has no validation/: expected train/"),
        (["val/a.png"], None, "has no train/: expected train/"),
        (["train/a.png", "val/b.png"], "test", "has no test/: expected train/"),
        (["train/a.png", "val/b.txt"], None, "val holds no images: expected train/"),
        (["train/a.txt", "val/b.png"], None, "train holds no images: expected train/"),
        (["notes.txt"], None, "holds no images: expected train/"),
        (["a.png", "b.png"], "test", "has no test/: expected train/"),
        (["train/a.png", "val/b.png", "valid/c.png"], None, "are both validation folders"),
    ],
)
def test_a_wrong_layout_names_the_folder_and_what_is_expected(tmp_path, files, split, message):
    touch(tmp_path, *files)
    with pytest.raises(DataError, match=message) as caught:
        find_splits(tmp_path, evaluation_split=split)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone does not exist: expected train/"):
        find_splits(tmp_path / "gone")


def test_an_unknown_split_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="evaluation_split=dev must be"):
        find_splits(tmp_path, evaluation_split="dev")


def test_a_plain_folder_is_split_by_name_and_adding_files_moves_none(tmp_path):
    touch(tmp_path, *(f"{i % 3}/{i}.png" for i in range(200)))
    train, held_out = find_splits(tmp_path)
    assert (train.name, held_out.name) == ("train", "validation")
    assert sorted(train.names + held_out.names) == image_names(tmp_path)
    assert 8 <= len(held_out.names) <= 35
    touch(tmp_path, *(f"{i % 5}/new{i}.png" for i in range(100)))
    more_train, more_held_out = find_splits(tmp_path)
    assert set(train.names) <= set(more_train.names)
    assert set(held_out.names) <= set(more_held_out.names)


def test_a_small_folder_has_one_image_to_validate_on(tmp_path):
    touch(tmp_path, "a.png", "b.png", "c.png")
    train, held_out = find_splits(tmp_path, validation_fraction=1e-9)
    assert (len(train.names), len(held_out.names)) == (2, 1)


@pytest.mark.parametrize(("fraction", "empty"), [(0.0, "validation"), (1.0, "train")])
def test_an_empty_side_of_the_split_is_refused(tmp_path, fraction, empty):
    touch(tmp_path, "a.png", "b.png")
    with pytest.raises(DataError, match=f"validation_fraction={fraction} .* the {empty} split"):
        find_splits(tmp_path, validation_fraction=fraction)


def test_the_hash_is_fixed_and_does_not_depend_on_how_accents_are_stored():
    assert hashed_fraction("a/b.png") == pytest.approx(0.5350330, abs=1e-6)
    assert hashed_fraction("e\u0301.png") == hashed_fraction("\u00e9.png")


@given(st.text())
def test_the_hash_is_a_fraction(name):
    assert 0 <= hashed_fraction(name.encode("utf-8", "ignore").decode()) < 1
