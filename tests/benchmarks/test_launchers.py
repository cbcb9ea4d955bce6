"""The launchers' benchmark sees a run's moments in their order."""

import json

import pytest

from tests.commands import run
from vqx.benchmarks.launchers import _last_step


def test_the_last_step_is_that_of_the_last_whole_line(tmp_path):
    assert _last_step(tmp_path) == 0
    log = tmp_path / "runs/one/metrics.jsonl"
    log.parent.mkdir(parents=True)
    lines = [{"kind": "train", "step": 4}, {"kind": "evaluate", "step": 5}]
    torn = json.dumps({"kind": "train", "step": 6})
    log.write_text("".join(json.dumps(line) + "\n" for line in lines) + torn)
    assert _last_step(tmp_path) == 4
    log.write_text(log.read_text() + "\n")
    assert _last_step(tmp_path) == 6


@pytest.mark.long
@pytest.mark.slow
def test_a_run_alone_is_measured(tmp_path):
    done = run("vqx.bench", "launchers", "--launchers", "single", "--rounds", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    name, *seconds = done.stdout.splitlines()[-1].split()
    assert name == "single"
    assert len(seconds) == 4
    assert all(0 < float(each) < 300 for each in seconds)
    assert not list(tmp_path.glob(".vqx-bench-*"))
