"""The report's benchmark makes up runs that are read, and says what is met."""

import pytest

from tests.commands import run
from vqx.benchmarks.report import Measured, Spent, Wanted, table_of, verdicts
from vqx.benchmarks.report_runs import METRIC_LINES, write_runs
from vqx.runs.reading import read_runs
from vqx.runs.status import State


def _measured(size: int, cold: float, warm: float, memory: float = 100.0) -> Measured:
    return Measured(size, Spent(9 * cold, cold, memory), Spent(9 * warm, warm, memory / 2))


def test_each_size_says_what_a_run_more_adds() -> None:
    lines = table_of([_measured(100, 0.25, 0.1), _measured(1100, 1.25, 0.3)]).splitlines()
    assert lines[1].split() == ["100", "2.25", "(", "0.25)", "0.90", "(", "0.10)", "100"]
    assert lines[2].split()[-3:] == ["1.000", "0.200", "100"]


def test_what_is_wanted_is_of_ten_thousand_runs() -> None:
    small, wanted, large = (1000, 9, 9), (10_000, 5 / 9, 0.9 / 9, 499.6), (10**5, 9, 9)
    found = [_measured(*each) for each in (small, wanted, large)]
    said = verdicts(found, Spent(0.2, 0.1, 10), Wanted())
    assert said == [
        "--help: 0.20 s, wanted under 0.5 s: met",
        "10,000 runs cold: 5.00 s, wanted under 5 s: NOT met",
        "10,000 runs warm: 0.90 s, wanted under 1 s: met",
        "10,000 runs memory: 500 MiB, wanted under 500 MiB: met",
    ]


def test_the_runs_are_as_a_sweep_leaves_them(tmp_path) -> None:
    write_runs(tmp_path / "runs", 120)
    runs, skipped = read_runs([str(tmp_path / "runs")])
    assert (len(runs), len(skipped)) == (119, 1)
    counts = {state: sum(each.state == state for each in runs) for state in State}
    assert counts[State.DONE] > 100
    others = (State.FAILED, State.RUNNING, State.INTERRUPTED, State.COLLAPSED, State.DIVERGED)
    assert all(counts[state] for state in others)
    assert {each.config["seed"] for each in runs} == {0, 1, 2}
    done = next(each for each in runs if each.state == State.DONE)
    assert done.folder.path.name == f"{done.slug}-{done.signature}"
    assert len(done.folder.metrics.read_text().splitlines()) == METRIC_LINES
    assert not (tmp_path / "bulk").exists()


@pytest.mark.long
@pytest.mark.slow
def test_a_few_runs_are_measured(tmp_path) -> None:
    words = ("report", "--sizes", "3", "20", "--rounds", "1", "--place", tmp_path)
    done = run("vqx.bench", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    _, few, more, *said = done.stdout.splitlines()
    assert few.split()[0] == "3"
    assert more.split()[0] == "20"
    assert len(said) == 1
    assert said[0].startswith("--help: ")
    assert not list(tmp_path.iterdir())
