"""Rows of parquet files as images: the right ones, with few row groups in memory."""

import pickle
import sys

import pytest

from tests.data.files import touch
from tests.data.trees import write_parquet
from vqx.data.layouts import find_sources
from vqx.data.parquet import KEPT_GROUPS
from vqx.errors import DataError


@pytest.fixture
def tree(tmp_path):
    return tmp_path, write_parquet(tmp_path)


def content(source, index):
    with source.open(index) as file:
        return file.read()


def test_any_order_gives_the_right_rows_and_keeps_few_groups(tree):
    root, encoded = tree
    sources = find_sources("parquet", root)
    assert list(sources) == ["train", "test"]
    train = sources["train"]
    assert len(train) == len(encoded["train"]) == 14
    assert train.names[7:9] == [f"train-00001-of-00002.parquet:{row}" for row in (0, 1)]
    for index in [*range(14), *reversed(range(14)), *(5 * i % 14 for i in range(14))]:
        assert content(train, index) == encoded["train"][index]
        assert len(train._kept) <= KEPT_GROUPS
    assert content(sources["test"], 6) == encoded["test"][6]


def test_another_process_gets_footers_not_pixels(tree):
    root, encoded = tree
    train = find_sources("parquet", root)["train"]
    content(train, 3)
    message = pickle.dumps(train)
    assert len(message) < 2000
    assert content(pickle.loads(message), 9) == encoded["train"][9]
    assert pickle.loads(message).fingerprint() == train.fingerprint()
    assert train.together == pickle.loads(message).together == max(g.rows for g in train.groups)
    stored = sum(map(len, encoded["train"]))
    assert stored < sum(train.sizes()) < 3 * stored  # a dictionary may hold them once more


def test_a_row_without_an_image_and_a_table_without_a_column(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    kind = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    rows = arrow.array([None, {"bytes": None, "path": "x.png"}], kind)
    path = tmp_path / "train-0.parquet"
    parquet.write_table(arrow.table({"picture": rows}), path)
    source = find_sources("parquet", tmp_path)["train"]
    for index in (0, 1):
        with pytest.raises(OSError, match="the row holds no image"):
            source.open(index)
    parquet.write_table(arrow.table({"label": [1]}), path)
    with pytest.raises(DataError, match="has no columns of images: expected"):
        find_sources("parquet", tmp_path)
    path.write_bytes(b"PAR1 damaged")
    with pytest.raises(DataError, match=r"train-0\.parquet cannot be read"):
        find_sources("parquet", tmp_path)


def test_without_pyarrow_the_command_is_named(tmp_path, monkeypatch):
    touch(tmp_path, "train-0.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"needs pyarrow.*: pip install 'vqx\[parquet\]'"):
        find_sources("parquet", tmp_path)
