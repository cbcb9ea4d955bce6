"""All that a page shows, out of run folders of every kind."""

import pytest

from tests.reporting.page.made_up import (
    HOSTILE,
    page_of,
    write_many,
    write_pictures,
    write_troubled,
)
from tests.runs.synthetic import config_of, write_run
from vqx.reporting.page import payload
from vqx.reporting.page.payload import page_data


@pytest.fixture
def runs(tmp_path):
    write_many(tmp_path, rows=2, seeds=2)
    return tmp_path


def by_state(data):
    return {run["state"]: run for run in data["runs"]}


def test_every_run_has_curves_pictures_and_its_place(runs):
    data = page_data(page_of(runs))
    assert [row["runs"] for row in data["rows"]] == [[0, 1], [2, 3]]
    for run in data["runs"]:
        assert set(run["curves"]) == {"train", "evaluate"}
        assert run["folder"].endswith(run["name"])
        assert run["faults"] == []
    assert len({run["inputs"] for run in data["runs"]}) == 1  # shown to all, kept once
    assert data["left_out"] == []


def test_what_a_run_lacks_is_named(runs):
    old = write_run(runs, config_of("fsq"))
    data = page_data(page_of(runs))
    (run,) = (run for run in data["runs"] if run["name"] == old.name)
    assert run["faults"] == ["no metrics.jsonl", "no images/inputs.png", "no images/outputs.png"]
    assert not {"curves", "inputs", "outputs"} & set(run)


def test_damaged_lines_and_pictures_are_named(runs):
    folder = write_run(runs, config_of("fsq"))
    (folder / "metrics.jsonl").write_text('{"step": 1, "kind": "train", "loss": 1}\n???\n')
    write_pictures(folder, blur=1)
    (folder / "images" / "outputs.png").write_text("no")
    data = page_data(page_of(runs))
    (run,) = (run for run in data["runs"] if run["name"] == folder.name)
    assert run["faults"] == [
        "1 damaged lines of metrics.jsonl left out",
        "images/outputs.png is no PNG file",
    ]
    assert "curves" in run
    assert "inputs" in run


def test_sorry_runs_keep_their_words(tmp_path):
    write_troubled(tmp_path)
    data = page_data(page_of(tmp_path))
    states = by_state(data)
    assert set(states) == {"failed", "stale", "queued", "collapsed", "diverged", "done"}
    assert states["stale"]["note"].startswith("no heartbeat")
    assert HOSTILE in states["failed"]["error"]
    assert states["failed"]["note"].startswith("RuntimeError")
    assert states["done"]["error"] == ""
    assert "usage fell" in states["collapsed"]["note"]


def test_a_run_that_never_started_lacks_nothing(tmp_path):
    write_troubled(tmp_path)
    assert by_state(page_data(page_of(tmp_path)))["queued"]["faults"] == []


def test_of_a_long_traceback_the_end_is_kept(tmp_path):
    write_troubled(tmp_path)
    error = next(tmp_path.glob("*4096*")) / "error.txt"
    error.write_text("frame é\n" * 100_000 + "ValueError: the cause\n")
    text = by_state(page_data(page_of(tmp_path)))["failed"]["error"]
    assert text.endswith("ValueError: the cause\n")
    assert text.startswith("...")
    assert len(text) < 6_100


def test_curves_beyond_the_limit_are_left_out_second_seeds_first(runs, monkeypatch):
    monkeypatch.setattr(payload, "CURVE_BYTES", 25_000)
    data = page_data(page_of(runs))
    assert ["curves" in run for run in data["runs"]] == [True, False, True, False]
    (said,) = data["left_out"]
    assert said.startswith("curves of 2 runs are left out")


def test_pictures_beyond_the_limit_are_left_out_and_counted(runs, monkeypatch):
    monkeypatch.setattr(payload, "IMAGE_BYTES", 45_000)
    data = page_data(page_of(runs))
    assert ["outputs" in run for run in data["runs"]] == [True, False, False, False]
    assert all("inputs" in run for run in data["runs"])
    (said,) = data["left_out"]
    assert "3 strips of images are left out" in said


def test_metrics_say_how_they_are_shown(runs):
    metrics = page_data(page_of(runs))["metrics"]
    assert metrics["usage"] == {"title": "usage", "unit": "%", "scale": 100, "better": "higher"}
    assert "better" not in metrics["parameters"]
