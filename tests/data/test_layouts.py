"""Which splits a folder holds, in each layout that data sets come in."""

import pytest

from tests.data.files import touch
from vqx.data.layouts import choose_splits, find_sources
from vqx.data.listing import image_names
from vqx.data.sources import FileSource
from vqx.errors import ConfigError, DataError


def find_pair(root, evaluation_split=None, validation_fraction=0.1):
    sources = find_sources(None, root, validation_fraction=validation_fraction)
    return choose_splits(sources, evaluation_split, root)


@pytest.mark.parametrize("spelling", ["validation", "val", "valid", "Validation"])
def test_validation_is_preferred_to_test(tmp_path, spelling):
    touch(tmp_path, "train/a.png", f"{spelling}/b.png", "test/c.png")
    train, held_out = find_pair(tmp_path)
    assert train == FileSource(tmp_path / "train", ["a.png"], "train")
    assert held_out == FileSource(tmp_path / spelling, ["b.png"], "validation")


def test_the_evaluation_split_can_be_chosen_or_is_what_is_there(tmp_path):
    touch(tmp_path, "train/a.png", "test/c.png")
    test = FileSource(tmp_path / "test", ["c.png"], "test")
    assert find_pair(tmp_path)[1] == test
    touch(tmp_path, "val/b.png")
    chosen = find_pair(tmp_path, evaluation_split="test")
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
        find_pair(tmp_path, evaluation_split=split)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone does not exist: expected train/"):
        find_pair(tmp_path / "gone")


def test_an_unknown_split_is_refused(tmp_path):
    touch(tmp_path, "train/a.png", "val/b.png")
    with pytest.raises(ConfigError, match="evaluation_split=dev must be"):
        find_pair(tmp_path, evaluation_split="dev")


def test_a_plain_folder_is_split_by_name_and_adding_files_moves_none(tmp_path):
    touch(tmp_path, *(f"{i % 3}/{i}.png" for i in range(200)))
    train, held_out = find_pair(tmp_path)
    assert (train.split, held_out.split) == ("train", "validation")
    assert sorted([*train.names, *held_out.names]) == image_names(tmp_path)
    assert 8 <= len(held_out.names) <= 35
    touch(tmp_path, *(f"{i % 5}/new{i}.png" for i in range(100)))
    more_train, more_held_out = find_pair(tmp_path)
    assert set(train.names) <= set(more_train.names)
    assert set(held_out.names) <= set(more_held_out.names)


def test_a_small_folder_has_one_image_to_validate_on(tmp_path):
    touch(tmp_path, "a.png", "b.png", "c.png")
    train, held_out = find_pair(tmp_path, validation_fraction=1e-9)
    assert (len(train.names), len(held_out.names)) == (2, 1)


@pytest.mark.parametrize(("fraction", "empty"), [(0.0, "validation"), (1.0, "train")])
def test_an_empty_side_of_the_split_is_refused(tmp_path, fraction, empty):
    touch(tmp_path, "a.png", "b.png")
    with pytest.raises(DataError, match=f"validation_fraction={fraction} .* the {empty} split"):
        find_pair(tmp_path, validation_fraction=fraction)
