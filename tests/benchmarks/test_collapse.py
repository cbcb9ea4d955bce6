"""The collapse suite: its rows, its tables and picture, and that a second call trains nothing."""

import argparse
import csv
import json

import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from tests.test_config import composed
from vqx.benchmarks.collapse import add_arguments, recipes, run
from vqx.benchmarks.usage_curves import usage_over_steps
from vqx.errors import ConfigError
from vqx.runs.reading import read_run
from vqx.training.experiment import construct


@pytest.fixture
def threads():
    """The suite runs on one thread: give the tests after it theirs back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def bench(*words):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    run(parser.parse_args([str(word) for word in words]))


@pytest.mark.slow
def test_it_trains_its_rows_once_and_writes_what_came_out(tmp_path, capsys, threads):
    words = ("--rows", "ema zeros", "fsq", "--steps", 4, "--seeds", 1)
    places = ("--runs", tmp_path / "collapse", "--out", tmp_path / "tables")
    bench(*words, *places)
    out = capsys.readouterr().out
    assert "[2/2] fsq, seed 0: usage" in out
    states = {
        r.config["quantizer"]["_target_"].rsplit(".")[-1]: r.state
        for r in map(read_run, (tmp_path / "collapse/runs").iterdir())
    }
    assert states["EMA"] == "collapsed"
    with (tmp_path / "tables/collapse.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["row"] for row in rows] == ["ema zeros", "fsq"]
    assert rows[0]["state"] == "collapsed"
    assert float(rows[0]["usage_mean"]) < 0.05
    text = (tmp_path / "tables/collapse.md").read_text()
    assert "| ema zeros | 256 |" in text
    assert "--steps 4 --seeds 1" in text
    assert Image.open(tmp_path / "tables/collapse.png").width > 500
    bench(*words, *places)
    assert "2 runs, 2 done already\n\n" in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_that_fails_keeps_its_row_and_the_others_go_on(
    tmp_path, capsys, monkeypatch, threads
):
    from vqx.benchmarks import collapse

    broken = collapse.Recipe("broken", ("quantizer=fsq", "levels=[2,1]"))
    rows = [broken, *(row for row in recipes() if row.label == "fsq")]
    monkeypatch.setattr(collapse, "recipes", lambda: rows)
    with pytest.raises(Exception, match="1 of 2 runs failed"):
        bench("--steps", 2, "--seeds", 1, "--runs", tmp_path / "c", "--out", tmp_path)
    out = capsys.readouterr().out
    assert "broken, seed 0: failed: FSQ levels" in out
    assert "| broken | - |" in out
    assert "| fsq | 256 |" in out


def test_all_rows_have_names_of_their_own_and_256_codes():
    made = recipes()
    assert len({row.label for row in made}) == len({row.overrides for row in made}) == 15
    for row in made:
        node = OmegaConf.to_container(composed(*row.overrides), resolve=True)["quantizer"]
        assert construct(node, what="quantizer").codebook_size == 256, row.label


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--rows", "nothing"], "no such row; there are ema zeros"),
        (["--steps", "0"], "--steps 0: use 1 or more"),
    ],
)
def test_a_mistake_is_named(words, line):
    with pytest.raises(ConfigError, match=line):
        bench(*words)


def test_curves_go_over_the_steps_that_all_seeds_have(tmp_path):
    for seed, steps in enumerate([(10, 20, 30), (10, 20)]):
        lines = [{"kind": "train", "step": s, "usage": s / 100 + seed} for s in steps]
        lines.append({"kind": "evaluate", "step": 20, "usage": 0.0})
        (tmp_path / str(seed)).write_text("\n".join(map(json.dumps, lines)))
    steps, usage = usage_over_steps([tmp_path / "0", tmp_path / "1", tmp_path / "absent"])
    assert steps.tolist() == [10, 20]
    assert usage.tolist() == [[0.1, 0.2], [1.1, 1.2]]
    assert usage_over_steps([tmp_path / "absent"]) is None
