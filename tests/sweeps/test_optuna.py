"""Searches with optuna: to the end whatever kills them, and not a training too many."""

import json
import os
import random
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.commands import TINY, command, environment, run
from tests.sweeps.trained_at_once import forked
from vqx.config import register_resolvers
from vqx.errors import ConfigError
from vqx.reporting.columns import COLUMNS
from vqx.sweeps.objective import direction

optuna = pytest.importorskip("optuna")

SEARCH = (
    "-m",
    "objective=psnr",
    "trainer.learning_rate=tag(log,interval(1e-5,1e-1))",
    "trainer.warmup_steps=choice(10,20)",
)


@dataclass(frozen=True)
class _Ended:
    returncode: int
    printed: str


def _search(cwd: Path, *words: str, **variables: str) -> _Ended:
    """A search to its end, with the formula as training."""
    process, printed = _start(cwd, *words, **variables)
    return _Ended(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), printed.read_text())


def _start(cwd: Path, *words: str, **variables: str) -> tuple[int, Path]:
    words = words if "hydra/sweeper=optuna" in words else ("hydra/sweeper=search", *words)
    return forked(*SEARCH, *words, cwd=cwd, TRAINED=str(cwd / "trained"), **variables)


def _trials(cwd: Path) -> list[tuple[dict[str, Any], float | None]]:
    """Parameters and values of the trials that were not lost."""
    (database,) = cwd.glob("results/studies/*/study.db")
    study = optuna.load_study(study_name=database.parent.name, storage=f"sqlite:///{database}")
    kept = [trial for trial in study.trials if "vqx_lost" not in trial.user_attrs]
    return [(trial.params, trial.value) for trial in kept]


def _trained(cwd: Path) -> list[str]:
    return (cwd / "trained").read_text().splitlines()


@pytest.mark.long
@pytest.mark.slow
def test_a_killed_search_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    """Same suggestions, same values, and only the trainings that were killed are done twice."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    four = ("hydra.sweeper.n_trials=4", "hydra.sweeper.sampler.n_startup_trials=2")
    for folder in (whole, broken):
        folder.mkdir()
    done = _search(whole, *four)
    assert done.returncode == 0, done.printed
    first, second = sorted(random.Random(time.time_ns()).sample(range(1, 5), 2))
    for kill in (first, second + 1):  # the second session trains the first one's last again
        killed = _search(broken, *four, KILL_AT=str(kill))
        assert killed.returncode == -9, (kill, killed.printed)
    ended = _search(broken, *four)
    assert ended.returncode == 0, ended.printed
    assert "1 interrupted and tried again" in ended.printed
    assert _trials(broken) == _trials(whole), (first, second)
    assert len(_trials(whole)) == 4
    assert list(dict.fromkeys(_trained(broken))) == list(dict.fromkeys(_trained(whole)))
    assert len(_trained(broken)) == len(_trained(whole)) + 2
    lines = [json.loads(x) for x in next(broken.glob("results/studies/*/trials.jsonl")).open()]
    assert {line["run"] for line in lines} == set(_trained(broken))


def test_the_same_command_goes_on_to_its_number_of_trials(tmp_path: Path) -> None:
    assert _search(tmp_path, "hydra.sweeper.n_trials=2").returncode == 0
    again = _search(tmp_path, "hydra.sweeper.n_trials=2")
    assert again.returncode == 0, again.printed
    assert "2 of 2 trials done" in again.printed
    assert "best psnr" in again.printed
    assert len(_trained(tmp_path)) == 2
    assert _search(tmp_path, "hydra.sweeper.n_trials=3").returncode == 0
    assert len(_trained(tmp_path)) == 3
    # A new study tries the same: runs that are done are not trained again.
    (study,) = (tmp_path / "results/studies").iterdir()
    study.rename(tmp_path / "gone")
    done = _search(tmp_path, "hydra.sweeper.n_trials=2")
    assert done.returncode == 0, done.printed
    assert len(_trained(tmp_path)) == 3
    assert all(value is not None for _, value in _trials(tmp_path))


def test_a_lost_trial_is_tried_again_whatever_the_sampler_draws(tmp_path: Path) -> None:
    one = ("hydra.sweeper.n_trials=1", "hydra.sweeper.sampler.seed=null")
    assert _search(tmp_path, *one, KILL_AT="1").returncode == -9
    assert _search(tmp_path, *one).returncode == 0
    first, second = _trained(tmp_path)
    assert first == second


@pytest.mark.long
@pytest.mark.slow
def test_failed_trials_are_told_and_a_hopeless_search_stops(tmp_path: Path) -> None:
    some = _search(tmp_path, "hydra.sweeper.n_trials=4", FAIL_ABOVE="1e-2")
    assert some.returncode == 0, some.printed
    values = [value for _, value in _trials(tmp_path)]
    failed = values.count(None)
    assert 0 < failed < 4
    assert f"4 trials, {failed} failed; best psnr" in some.printed
    none = _search(tmp_path, "hydra.sweeper.n_trials=6", "seed=1", FAIL_ABOVE="0")
    assert none.returncode == 1
    assert none.printed.count("all 5 trials failed") == 1
    assert "Traceback" not in none.printed


def test_two_searches_in_one_study_are_refused(tmp_path: Path) -> None:
    first, _ = _start(tmp_path, "hydra.sweeper.n_trials=1", SLOW="60")
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "trained").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        second = _search(tmp_path, "hydra.sweeper.n_trials=1")
    finally:
        os.kill(first, signal.SIGKILL)
        os.waitpid(first, 0)
    assert second.returncode == 1
    assert "another process searches in" in second.printed
    assert len(_trained(tmp_path)) == 1


def test_the_stock_sweeper_works_too(tmp_path: Path) -> None:
    direction_ = "hydra.sweeper.direction='${direction:${objective}}'"
    done = _search(tmp_path, "hydra/sweeper=optuna", direction_, "hydra.sweeper.n_trials=2")
    assert done.returncode == 0, done.printed
    assert "Best value: " in done.printed
    assert len(_trained(tmp_path)) == 2


def test_the_direction_is_the_metrics_own() -> None:
    from omegaconf import OmegaConf

    for column in COLUMNS:
        if column.is_metric:
            upward = direction(column.key) == "maximize"
            assert upward == (column.better == "higher")
            assert direction(f"masked_soft_{column.key}") == direction(column.key)
    register_resolvers()
    config = OmegaConf.create({"objective": "lpips", "way": "${direction:${objective}}"})
    assert config.way == "minimize"
    with pytest.raises(ConfigError, match=r"objective=pnsr is no metric .*did you mean 'psnr'"):
        direction("pnsr")
    with pytest.raises(ConfigError, match="a search needs objective=METRIC"):
        direction(None)


@pytest.mark.long
@pytest.mark.slow
def test_a_real_search_is_killed_and_goes_on(tmp_path: Path) -> None:
    """Three trials of the shipped search, its process killed in the second one's training."""
    words = ("-m", "+sweeps=tune_learning_rate", "hydra.sweeper.n_trials=3", *TINY)
    _start_and_kill(tmp_path, *words, "trainer.steps=40", begun=2)
    done = run("vqx.train", *words, "trainer.steps=40", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 3 trials done, 1 interrupted and tried again" in done.stdout
    assert len(list(tmp_path.glob("results/runs/*/result.json"))) == 3
    assert [value is not None for _, value in _trials(tmp_path)] == [True] * 3


@pytest.mark.long
@pytest.mark.slow
def test_a_search_side_by_side_is_killed_and_goes_on(tmp_path: Path) -> None:
    """Four trials, two at a time in processes of their own, which end when the search is killed."""
    words = ("-m", "+sweeps=tune_learning_rate", "hydra.sweeper.n_trials=4", *TINY)
    words = (*words, "hydra/launcher=local", "hydra.sweeper.n_jobs=2", "trainer.steps=20")
    _start_and_kill(tmp_path, *words, begun=3)
    done = run("vqx.train", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 of 4 trials done, 2 interrupted and tried again" in done.stdout
    assert "plugin" not in done.stdout  # what others log about themselves
    assert len(list(tmp_path.glob("results/runs/*/result.json"))) == 4
    assert [value is not None for _, value in _trials(tmp_path)] == [True] * 4


def _start_and_kill(cwd: Path, *words: str, begun: int) -> None:
    """Kill a search once that many of its trials have logged a step."""
    process = subprocess.Popen(
        command("vqx.train", *words), cwd=cwd, env=environment(), stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        if len(list(cwd.glob("results/runs/*/metrics.jsonl"))) >= begun:
            break
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert time.monotonic() < deadline, f"fewer than {begun} trials have begun"
