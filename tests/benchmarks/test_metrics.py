"""The metrics' benchmark: both sides give the same numbers, and the table says when they do not."""

import argparse
from pathlib import Path

import pytest

from tests.pretrained.weights import random_convolutions
from vqx.benchmarks import metrics
from vqx.benchmarks.metrics import Row, table
from vqx.errors import VqxError
from vqx.pretrained.catalogue import ALEXNET, VGG16
from vqx.pretrained.files import save_tensors
from vqx.pretrained.lookup import cached_path

VALUES = {"psnr": 20.0, "ssim": 0.5, "lpips": 0.1, "fd_vgg16": 3.0}


def row(**changed: float) -> Row:
    seconds = {"plain": [4.0, 2.0, 9.0], "first": [2.0, 2.0, 3.0], "later": [1.0, 1.0, 1.0]}
    return Row(64, 8, seconds, VALUES, VALUES | changed)


def test_ratios_are_medians_within_rounds() -> None:
    assert row().speed("plain") == 2
    assert (row().ratio("first"), row().ratio("later")) == (2, 4)


def test_another_number_is_called_different() -> None:
    rows = [row(ssim=0.5 * (1 + 5e-5)), row(ssim=0.5 * (1 + 2e-4))]
    found = table(rows, network="vgg16", device="cpu", batch=8)
    marked = [["DIFFERENT" in cell.text for cell in cells] for cells in found.rows]
    assert [sum(cells) for cells in marked] == [0, 1]
    assert any("VGG16" in note.text for note in found.notes)


def test_a_missing_torchmetrics_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(VqxError, match="pip install torchmetrics"):
        metrics.run(parsed())


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    metrics.add_arguments(parser)
    return parser.parse_args(words)


@pytest.mark.slow  # importing torchmetrics takes 4 s
def test_both_sides_give_the_same_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torchmetrics")
    for entry in (ALEXNET, VGG16):
        save_tensors(random_convolutions(entry.network), cached_path(entry, tmp_path))
    words = "--sizes 32 --images 7 --batch 3 --rounds 1 --budget 1"
    metrics.run(parsed(*words.split(), "--cache-dir", str(tmp_path)))  # or it would raise
    (line,) = (x for x in capsys.readouterr().out.splitlines() if x.startswith("32"))
    assert line.count(" / ") == 4
