"""Names kept compactly, and the encoded images of a split by index."""

import os
import pickle
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.files import touch
from vqx.data.names import Names
from vqx.data.sources import FileSource


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])) | st.just("\udcff.png")))
def test_names_are_as_a_list_of_them(names):
    kept = Names(names)
    assert list(kept) == names
    assert [kept[i] for i in range(-len(names), len(names))] == names + names
    assert kept[1:-1] == names[1:-1]
    assert kept == names
    assert pickle.loads(pickle.dumps(kept)) == kept
    assert (kept == [*names, "x"]) is False
    with pytest.raises(IndexError):
        kept[len(names)]


def test_names_that_run_together_alike_differ():
    assert Names(["ab", "c"]) != Names(["a", "bc"])


def test_a_source_is_sent_to_a_process_in_little():
    names = [f"n{i % 1000:08d}/n{i % 1000:08d}_{i}.JPEG" for i in range(20_000)]
    source = FileSource("/images", names, "train")
    message = pickle.dumps(source)
    assert len(message) < sum(map(len, names)) + 4 * len(names) + 500
    assert pickle.loads(message) == source


def test_bytes_sizes_and_what_is_not_there(tmp_path):
    (tmp_path / "a.png").write_bytes(b"abc")
    source = FileSource(tmp_path, ["a.png", "gone.png"], "train")
    assert len(source) == 2
    assert source.sizes() == [3, -1]
    with source.open(0) as file:
        assert file.read() == b"abc"
    with pytest.raises(FileNotFoundError):
        source.open(1)


def test_the_fingerprint_follows_names_sizes_and_times_not_the_place(tmp_path):
    touch(tmp_path / "a", "x.png", "y.png")
    shutil.copytree(tmp_path / "a", tmp_path / "b")  # keeps times

    def fingerprint(root, *names):
        return FileSource(root, names, "train").fingerprint()

    first = fingerprint(tmp_path / "a", "x.png", "y.png")
    assert fingerprint(tmp_path / "b", "x.png", "y.png") == first
    assert fingerprint(tmp_path / "a", "x.png") != first
    (tmp_path / "b" / "y.png").rename(tmp_path / "b" / "z.png")
    assert fingerprint(tmp_path / "b", "x.png", "z.png") != first
    (tmp_path / "b" / "z.png").rename(tmp_path / "b" / "y.png")
    assert fingerprint(tmp_path / "b", "x.png", "y.png") == first
    os.utime(tmp_path / "b" / "y.png", ns=(1, 1))
    assert fingerprint(tmp_path / "b", "x.png", "y.png") != first
    (tmp_path / "a" / "x.png").write_bytes(b"1")
    assert fingerprint(tmp_path / "a", "x.png", "y.png") != first
