"""Searches as others see them: their trials in plans, reports and live tables, and no optuna."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import TINY, environment, run
from vqx.errors import VqxError
from vqx.runs.status import State, Status
from vqx.sweeps.planned import Action
from vqx.sweeps.trials import study_folder, trials_file
from vqx.sweeps.view import multirun, sweep_jobs
from vqx.watching.selection import parse, places_of

WORDS = ("+sweeps=tune_learning_rate", *TINY)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VQX_RESULTS", raising=False)


def begin(rate, run=None):
    """Note a trial as the search does before it starts it; its run's name is made up."""
    file = trials_file(study_folder(multirun(WORDS)[0]))
    file.parent.mkdir(parents=True, exist_ok=True)
    overrides = [f"trainer.learning_rate={rate}", *WORDS]
    with file.open("a") as lines:
        lines.write(json.dumps({"run": run, "overrides": overrides}) + "\n")


def test_a_search_is_the_trials_that_it_has_begun():
    with pytest.raises(VqxError, match=r"the search results/studies/tune_.* has begun no trial"):
        sweep_jobs(WORDS)
    for rate in ("0.001", "0.01", "0.001"):  # the last was interrupted, and tried again
        begin(rate)
    begin("0.1", "fsq-of-another-day-0123456789")
    jobs = sweep_jobs(WORDS)
    assert [job.config["trainer"]["learning_rate"] for job in jobs] == [0.001, 0.01, 0.1]
    assert jobs[2].folder.path == Path("results/runs/fsq-of-another-day-0123456789")
    assert jobs[0].folder.path.name.startswith("fsq-")
    # Neither what it optimises over nor the sweep's options make it another search.
    more = [*WORDS, "hydra.sweeper.n_trials=99", "wait=true", "plan=true"]
    assert study_folder(multirun(more)[0]) == study_folder(multirun(WORDS)[0])
    assert not study_folder(multirun([*WORDS, "trainer.steps=7"])[0]).exists()


def test_a_live_table_takes_in_new_trials():
    begin("0.001")
    places = places_of(parse(WORDS), default=Path("results/runs"))
    assert len(places()) == 1
    begin("0.01")
    assert len(places()) == 2


def test_plan_and_cancel_search_nothing(tmp_path):
    planned = run("vqx.train", *WORDS, "plan=true", cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert "0 of 20 trials done" in planned.stdout
    assert list(tmp_path.iterdir()) == []
    begin("0.001")
    folder = sweep_jobs(WORDS)[0].folder
    folder.path.mkdir(parents=True)
    folder.write_status(Status(state=State.INTERRUPTED))
    cancelled = run("vqx.train", *WORDS, "cancel=true", cwd=tmp_path)
    assert cancelled.stdout.splitlines()[-1] == "cancelled 0 of 1 jobs", cancelled.stderr
    assert sweep_jobs(WORDS)[0].action is Action.RUN


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("n_trials=abc", "n_trials must be a positive whole number; got 'abc'"),
        ("n_jobs=0", "n_jobs must be a positive whole number; got 0"),
        ("direction=up", "direction must be maximize or minimize; got 'up'"),
    ],
)
def test_a_mistake_in_a_search_is_one_line(word, message):
    from vqx.errors import ConfigError
    from vqx.sweeps.search import search

    config, _ = multirun([*WORDS, f"hydra.sweeper.{word}"])
    with pytest.raises(ConfigError, match=message):
        search(config.hydra.sweeper, [], config=config, hydra_context=None, task_function=None)
    assert list(Path().iterdir()) == []


def test_a_search_is_read_without_torch_and_optuna():
    begin("0.001")
    code = f"""
import sys
from vqx.sweeps.view import sweep_jobs
assert len(sweep_jobs({WORDS!r})) == 1
assert not {{"torch", "optuna"}} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=environment())
