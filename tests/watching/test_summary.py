"""Counts, progress and the time left of a sweep."""

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.runs.synthetic import config_of, write_run
from vqx.runs.status import State
from vqx.watching.entry import Entry
from vqx.watching.states import Stage
from vqx.watching.summary import eta_seconds, summarize, summary_line
from vqx.watching.watcher import Place, Watcher


@pytest.fixture(autouse=True)
def _sweeps_live(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vqx.watching.watcher.is_queue_alive", lambda *_: True)


def _entries(tmp_path: Path, **kinds: int) -> list[Entry]:
    """So many running (100 s left at half way), queued, done (100 s each) and missing runs."""
    seed, places = 0, []
    for kind, count in kinds.items():
        for _ in range(count):
            config = config_of(seed=(seed := seed + 1))
            if kind == "missing":
                places.append(Place(tmp_path / f"no-{seed}", config))
                continue
            status = {"step": 400, "eta_seconds": 100.0, "images_per_second": 50.0}
            own = status if kind == "running" else {"step": 0 if kind == "queued" else 800}
            path = write_run(tmp_path, config, state=State(kind), **own)
            places.append(Place(path, config))
    return Watcher(lambda: places).look()


def test_the_line(tmp_path: Path) -> None:
    entries = _entries(tmp_path, running=2, queued=3, missing=1)
    # Both end after 100 s; three more of 200 s each on two places end 300 and 500 s from now.
    assert summary_line(summarize(entries)) == (
        "6 runs: 2 running, 3 queued, 1 missing · 16 % of 4,800 steps · 100 images/s · "
        "8 min 20 s left with 2 at a time"
    )


def test_the_time_left_is_that_of_a_simulation(tmp_path: Path) -> None:
    """Jobs taken in order by whichever place is free first, in small steps of time."""
    running, queued = _entries(tmp_path, running=1, queued=1)
    draws = random.Random(1)
    for _ in range(50):
        lefts = [draws.uniform(1, 500) for _ in range(draws.randint(1, 5))]
        waiting = draws.randint(0, 7)
        status = running.run.status  # type: ignore[union-attr]
        entries = [
            replace(running, run=replace(running.run, status=replace(status, eta_seconds=left)))  # type: ignore[type-var]
            for left in lefts
        ] + [queued] * waiting
        wholes = sorted(2 * left for left in lefts)
        middle = (wholes[(len(wholes) - 1) // 2] + wholes[len(wholes) // 2]) / 2
        places = list(lefts)
        for _ in range(waiting):
            places[places.index(min(places))] += middle
        found = eta_seconds(entries)
        assert found is not None
        assert math.isclose(found, max(places))


def test_what_cannot_be_known_is_not_said(tmp_path: Path) -> None:
    (running,) = _entries(tmp_path / "a", running=1)
    (queued,) = _entries(tmp_path / "b", queued=1)
    (done,) = _entries(tmp_path / "c", done=1)
    status = replace(running.run.status, eta_seconds=None)  # type: ignore[union-attr,type-var]
    warming = replace(running, run=replace(running.run, status=status))  # type: ignore[type-var]
    assert eta_seconds([warming]) is None
    assert eta_seconds([warming, running]) is None
    assert eta_seconds([queued, done]) is None  # nobody knows when it will be started
    assert summary_line(summarize([queued, done])).endswith("· ? left")
    assert summary_line(summarize([done])) == "1 run: 1 done · 100 % of 800 steps"
    assert eta_seconds([running, running]) == 100


def test_collapsed_and_diverged_runs_count_as_over(tmp_path: Path) -> None:
    (done,) = _entries(tmp_path, done=1)
    summary = summarize([replace(done, stage=stage) for stage in (Stage.DIVERGED, Stage.COLLAPSED)])
    assert (summary.step, summary.is_over) == (summary.steps, True)
