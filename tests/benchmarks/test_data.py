"""The data benchmark: honest arithmetic, and a command that ends."""

import argparse
import csv
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.commands import run
from vqx.benchmarks import data, data_measuring
from vqx.benchmarks.data_images import CASES, Stock
from vqx.benchmarks.data_measuring import (
    BASELINE,
    COPY,
    DECODE,
    MISSING_FFCV,
    READERS,
    Measured,
    Setting,
    measure,
    of_baseline,
    of_floor,
    stretch,
)
from vqx.benchmarks.data_process import ReaderFailed, Window
from vqx.benchmarks.data_scale import GPUS, IMAGES, need, scale_table
from vqx.benchmarks.data_table import HEADER, Results
from vqx.benchmarks.worker import Failure
from vqx.errors import ConfigError, VqxError
from vqx.reporting.markdown import render_markdown


def windows(*speeds, processor=0.5):
    """One of a second for each speed, `processor` seconds of work in it."""
    return [Window(speed, 1.0, processor) for speed in speeds]


RAW = Measured(0.5, 200_000.0, windows(400, 900, 100), windows(1000, 2000, 400, processor=2.0))
USUAL = Measured(1.0, 40_000.0, windows(100, 300, 20))
BARE = Measured(0.1, 150_000.0, windows(2000, 8000, 1000))


def test_figures_are_medians_and_ratios_are_of_one_round():
    assert RAW.speed == 400
    assert RAW.plain_speed == 1000
    assert RAW.processor == pytest.approx(0.002)  # of uint8: the conversion is left out
    assert USUAL.plain_speed is None
    assert USUAL.processor == pytest.approx(0.005)
    found = {"ffcv raw": RAW, BASELINE: USUAL, COPY: BARE}
    assert of_baseline(found, "ffcv raw") == pytest.approx(4)  # 4, 3, 5, in floats
    assert of_floor(found, "ffcv raw") == pytest.approx(0.4)  # 0.5, 0.25, 0.4, in uint8
    assert of_baseline(found, BASELINE) == 1
    assert of_floor(found, BASELINE) is None  # of the bare decoding, which is not there
    assert of_floor({**found, DECODE: BARE}, BASELINE) == pytest.approx(0.0375)
    assert of_baseline({"ffcv raw": RAW, BASELINE: Failure("why")}, "ffcv raw") is None


def test_what_a_machine_needs_is_a_product():
    one = need(stored=250e3, processor=1e-3, speed=1000, gpus=8)
    assert (one.stored, one.read, one.cores) == pytest.approx((250e3 * 1_331_167, 2e9, 8))
    assert (IMAGES, GPUS) == (1_331_167, 8)


def test_the_scale_table_is_of_measured_loaders():
    assert scale_table({"memory": Failure("why"), COPY: BARE}, "") is None
    found = {"ffcv raw": RAW, BASELINE: USUAL, "folder": Failure("why"), COPY: BARE}
    table = scale_table(found, "on paper")
    raw, usual = ([cell.text for cell in row] for row in table.rows)
    # 200 kB and 2 ms an image at 8 x 169, 8 x 1,000 and 8 x 3,000 images a second
    assert raw[:-1] == ["ffcv raw", "266", "270", "2.7", "1,600", "16", "4,800", "48"]
    assert usual[:3] == [BASELINE, "53", "54"]
    assert len(raw) == len(table.header)


def test_the_table_says_what_is_wanted_and_missed():
    small, large = CASES["32"], CASES["256-128"]
    slow = replace(RAW, floats=windows(300, 900, 60))
    found = {"ffcv raw": slow, BASELINE: USUAL, COPY: BARE, "ffcv.Loader raw": Failure("no ffcv")}
    stock = Stock(None, 100, {}, {}, {"raw": 0.5})
    table = Results({small: found, large: found}, {large: stock}).table("caption")
    rows = {row[0].text: row for row in table.rows}
    assert list(rows)[:2] == ["32 px, ffcv raw", f"32 px, {BASELINE}"]
    assert all(len(row) == len(HEADER) for row in table.rows)
    texts = [cell.text + cell.mark for cell in rows["256 -> 128, ffcv raw"]]
    assert texts[1:] == ["300", "3 (≥ 3.5) MISS", "1,000", "40", "2", "200", "60", "0.50", ""]
    assert not rows["32 px, ffcv raw"][2].mark
    assert rows["256 -> 128, ffcv.Loader raw"][-1].text == "no ffcv"
    notes = {note.about: note.text for note in table.notes}
    assert notes["wanted"] == "1 of 1 figures missed"
    assert notes["256 -> 128"] == "100 images; prepared as raw in 0.5 s (200 images/s)"
    assert "| 256 -\\> 128, ffcv raw |" in render_markdown(table)


class Scripted:
    """A reader's process that notes what it is asked, and may fail in its second round."""

    asked: list[tuple[str, bool]]
    failing = "memory"

    def __init__(self, opener, reading, *, cores):
        self.name = next(r.name for r in READERS.values() if r.opener is opener)
        self.closed = False
        self.reads = 0

    def open(self, *, floats):
        if self.name == "memmap":
            raise ReaderFailed("cannot open")
        return 1.0

    def read(self, wanted):
        self.reads += 1
        self.asked.append((self.name, wanted.floats))
        if self.name == self.failing and self.reads == 3:
            raise ReaderFailed("cannot read")
        return Window(1, 1.0, 1.0)

    def close(self):
        self.closed = True


def test_rounds_alternate_and_go_on_without_a_reader_that_fails(monkeypatch, tmp_path):
    monkeypatch.setattr(data_measuring, "ReaderProcess", Scripted)
    monkeypatch.setattr(data_measuring.importlib.util, "find_spec", lambda name: None)
    Scripted.asked = []
    stock = Stock(tmp_path, 10, {}, {"memmap": 5.0}, {})
    names = ["memory", "memmap", BASELINE, "ffcv.Loader raw", COPY]
    found = measure(CASES["32"], stock, Setting(rounds=3), names, show=lambda text: None)
    # Ours as floats and as they come; others as they come, which for the baseline is floats.
    forth = [("memory", True), ("memory", False), (BASELINE, False), (COPY, False)]
    back = [(COPY, False), (BASELINE, False), ("memory", True)]
    assert Scripted.asked == [*forth, *back, (BASELINE, False), (COPY, False)]
    assert found["memory"] == Failure("cannot read")
    assert found["memmap"] == Failure("cannot open")
    assert found["ffcv.Loader raw"] == Failure(MISSING_FFCV)
    assert len(found[BASELINE].floats) == 3
    assert found[COPY].stored == 3 * 32**2


def test_more_is_skipped_than_may_lie_ready():
    wanted = stretch(Setting(workers=3), floats=True)
    assert wanted.skipped > 2 * 3  # two batches a worker
    assert wanted.batches % wanted.workers == 0


def parse(*words):
    parser = argparse.ArgumentParser()
    data.add_arguments(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    "words",
    [
        ["--only", "nope"],
        ["--images", "0"],
        ["--seconds", "nan"],
        ["--workers", "-1"],
        ["--cores", "100000"],
        ["--out", "/nowhere/x.md"],
    ],
)
def test_wrong_arguments_are_told_before_anything_runs(words, monkeypatch):
    monkeypatch.setattr(data, "_measure_all", lambda *arguments: pytest.fail("ran"))
    with pytest.raises(ConfigError, match=words[0]):
        data.run(parse(*words))


def test_what_is_asked_for_is_measured_beside_the_baseline_and_the_bare():
    cases, readers = data._chosen([])
    assert (cases, readers) == (list(CASES.values()), list(READERS))
    cases, readers = data._chosen(["ffcv-raw", "256-128"])
    assert [case.name for case in cases] == ["256-128"]
    assert readers == ["ffcv raw", BASELINE, DECODE, COPY]


def test_failures_end_the_command_and_missing_software_does_not(monkeypatch, capsys, tmp_path):
    def found(cases, readers, setting, results):
        results.cases[cases[-1]] = {"ffcv raw": RAW, BASELINE: USUAL, **failures}

    monkeypatch.setattr(data, "_measure_all", found)
    monkeypatch.setenv("COLUMNS", "400")  # a narrow table breaks its notes
    out = tmp_path / "data.md"
    failures = {"ffcv.Loader raw": Failure(MISSING_FFCV)}
    data.run(parse("--out", str(out)))
    assert MISSING_FFCV in " ".join(capsys.readouterr().out.split())
    assert "ImageNet at 256 px" in out.read_text()
    first, *_, last = csv.DictReader((tmp_path / "data.csv").open())
    assert float(first["of_baseline"]) == pytest.approx(4)
    assert last["note"] == MISSING_FFCV
    failures = {"folder": Failure("why")}
    with pytest.raises(VqxError, match="256 -> 256, folder"):
        data.run(parse())


@pytest.mark.slow
def test_the_command_measures_and_leaves_nothing(tmp_path):
    brief = ["--images", "2", "--batch", "4", "--rounds", "1", "--seconds", "0.01", "--cores", "1"]
    words = ["--only", "32", "folder", *brief]
    # Not below tmp_path: the addresses of sockets made in it may have about a hundred characters.
    with tempfile.TemporaryDirectory(prefix="t") as place:
        options = {"cwd": tmp_path, "TMPDIR": place}
        done = run("vqx.bench", "data", *words, "--out", "data.md", **options)
        left = [path.name for path in Path(place).iterdir() if path.name.startswith("vqx")]
    assert done.returncode == 0, done.stderr
    lines = list(csv.DictReader((tmp_path / "data.csv").open()))
    assert [line["loader"] for line in lines] == ["folder", BASELINE, DECODE, COPY]
    assert all(float(line["images_per_second"]) > 0 for line in lines)
    assert not left
