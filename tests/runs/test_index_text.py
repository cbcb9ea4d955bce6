"""What an index says of run folders, written and read back."""

import json

from vqx.runs.config_text import ConfigParser, union
from vqx.runs.index_text import IndexReader, IndexWriter

RESULT = {"metrics": {"psnr": {"value": 25.125, "stamp": "s"}, "ssim": {"value": None}}}


def written(*configs: str) -> IndexReader:
    writer = IndexWriter()
    for place, text in enumerate(configs):
        config = union(ConfigParser().parse(text))
        writer.add(f"run{place}", [place], (config, {"state": "done"}, RESULT, None))
    return IndexReader(json.loads(writer.text()))


def test_files_come_back_as_they_were() -> None:
    reader = written("seed: 0\nlr: 0.1\n", "seed: 1\nlr: 0.1\n", "other: [1, 2]\n")
    assert list(reader) == ["run0", "run1", "run2"]
    assert reader.stamps("run1") == [1]
    assert reader.stamps("run9") is None
    assert reader.files("run1") == ({"seed": 1, "lr": 0.1}, {"state": "done"}, RESULT, None)
    assert reader.files("run2")[0] == {"other": [1, 2]}


def test_a_configuration_that_json_cannot_say_is_left_out() -> None:
    dates = "metrics:\n  x:\n    value: 2020-01-01\n", "a: 2020-01-01\n", "1: a\n"
    assert list(written("seed: 0\n", *dates)) == ["run0"]
