"""The line, the table and the cost of a plan, and the account at a sweep's end."""

import pytest

from tests.sweeps.made_up import composer, folder, plan
from vqx.runs.status import State
from vqx.sweeps.account import account_lines, exit_code, look_again
from vqx.sweeps.options import SweepOptions
from vqx.sweeps.planning import make_plan, queue_runs
from vqx.sweeps.summary import refusals, summary_lines
from vqx.sweeps.table import plan_table


def done(results, job, *, seconds, steps=100, device="cpu", **more):
    """A finished run that took `seconds` to train, and 2 seconds to evaluate."""
    jobs = make_plan([job.split()], composer(results, **more), SweepOptions(), show_progress=False)
    queue_runs(jobs)
    cost = {"train_seconds": seconds, "evaluate_seconds": 2.0, "steps": steps}
    jobs[0].folder.write_result({"cost": {**cost, "device": device, "devices": 1}, "metrics": {}})


def test_one_line_counts_every_state(tmp_path):
    done(tmp_path, "seed=9", seconds=1)
    folder(tmp_path, "seed=8", State.FAILED, message="no room")
    jobs = plan(tmp_path, "seed=0", "seed=1", "seed=8", "seed=9", "seed=0")
    assert summary_lines("mine", jobs) == [
        "sweep mine: 5 jobs: 2 to run, 1 done, 1 failed (retry=failed runs it again), 1 duplicate"
    ]


def test_refusals_are_told_once_with_their_jobs(tmp_path):
    jobs = plan(tmp_path, "seed=0", "refused", "seed=1", "refused seed=2")
    assert refusals(jobs) == ["nothing reads 'refused' (jobs 2, 4 of 4)"]
    assert refusals(plan(tmp_path, "refused")) == ["nothing reads 'refused'"]


def test_a_piped_table_has_a_line_a_job_and_what_differs(tmp_path):
    done(tmp_path, "seed=9 codes=4", seconds=50)
    jobs = plan(tmp_path, "codes=4 seed=0", "codes=4 seed=9", "codes=4 refused")
    lines = plan_table("mine", jobs, width=None)
    name = jobs[0].folder.path.name
    assert lines[1].split() == ["1", "run", name, "52", "s", "seed=0"]
    assert lines[2].split() == ["2", "done", jobs[1].folder.path.name, "seed=9"]
    assert lines[3].split("  ")[-1] == "# nothing reads 'refused'"
    assert lines[-1] == "expected cost: 52 s for 1 job on cpu"


def test_a_narrow_terminal_gets_two_lines_a_job(tmp_path):
    words = "codes=4 logger=1000000 row=2000000 cache_dir=3000000"
    jobs = plan(tmp_path, f"{words} seed=0", "codes=5")
    assert max(map(len, plan_table("mine", jobs, width=None))) > 80
    lines = plan_table("mine", jobs, width=80)
    assert max(map(len, lines[:-1])) <= 80
    assert sum(jobs[0].folder.path.name in line for line in lines) == 1
    assert all(word in " ".join(lines) for word in words.split())


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ("seed=1", 12.0),  # the same but for its seed: 100 steps of 0.1 s, 2 s of evaluation
        ("codes=8 seed=1", 52.0),  # nearer to the run with as many codes
        ("seed=1 row=3", 12.0),
    ],
)
def test_the_most_alike_finished_run_tells_the_time(tmp_path, job, expected):
    from vqx.sweeps.cost import Costs, finished_runs

    done(tmp_path, "seed=0", seconds=10)
    done(tmp_path, "codes=8 seed=0", seconds=50)
    jobs = plan(tmp_path, job)
    assert Costs(finished_runs(jobs))(jobs[0]) == pytest.approx(expected)


def costs_of(results, *, word="seed=1", **more):
    from vqx.sweeps.cost import Costs, finished_runs

    compose = composer(results, **more)
    jobs = make_plan([word.split()], compose, SweepOptions(), show_progress=False)
    return Costs(finished_runs(jobs))(jobs[0])


TRAINER = {"steps": 100, "devices": 1, "device": "auto", "evaluate_every": None}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"trainer": {**TRAINER, "steps": 300}}, 32.0),
        ({"trainer": {**TRAINER, "evaluate_every": 25}}, 18.0),  # three on the way
        ({"trainer": {**TRAINER, "learning_rate": 1.0}}, 12.0),
        ({"trainer": {**TRAINER, "batch_size": 7}}, None),
        ({"trainer": {**TRAINER, "devices": 2}}, None),
        ({"model": {"width": 99}}, None),
        ({"loss": {"gan": 1}}, None),
        ({"data": {"name": "mnist"}}, None),
        ({"trainer": {**TRAINER, "steps": "2 epochs"}}, None),
    ],
)
def test_only_the_same_work_tells_the_time(tmp_path, more, expected):
    done(tmp_path, "seed=0", seconds=10)
    assert costs_of(tmp_path, **more) == (None if expected is None else pytest.approx(expected))


def test_epochs_are_as_long_as_they_were(tmp_path):
    done(tmp_path, "seed=0", seconds=10, steps=40, trainer={**TRAINER, "steps": "2 epochs"})
    longer = {**TRAINER, "steps": "6 epochs"}
    assert costs_of(tmp_path, trainer=longer) == pytest.approx(30 + 2)


def test_another_devices_time_is_not_mixed_in(tmp_path):
    for seed in range(2):
        done(tmp_path, f"seed={seed}", seconds=1, device="H200")
    done(tmp_path, "seed=2", seconds=60)
    assert costs_of(tmp_path, word="seed=7") == pytest.approx(1 + 2)
    cpu = {**TRAINER, "device": "cpu"}
    assert costs_of(tmp_path, word="seed=7", trainer=cpu) == pytest.approx(60 + 2)


def test_a_total_names_the_devices_that_it_is_counted_on(tmp_path):
    done(tmp_path, "seed=0", seconds=1, device="H200")
    done(tmp_path, "seed=1", seconds=1, device="H200")
    done(tmp_path, "seed=2", seconds=60)
    cpu = composer(tmp_path, trainer={**TRAINER, "device": "cpu"})
    jobs = make_plan([["seed=7"]], cpu, SweepOptions(), show_progress=False)
    assert plan_table("mine", jobs, width=None)[-1] == "expected cost: 1 min 2 s for 1 job on cpu"
    both = [*jobs, *plan(tmp_path, "seed=8")]
    assert plan_table("mine", both, width=None)[-1] == (
        "expected cost: 1 min 5 s for 2 jobs on H200 and cpu, one after the other"
    )


def test_steps_taken_are_not_paid_again(tmp_path):
    done(tmp_path, "seed=0", seconds=100)
    folder(tmp_path, "seed=1", State.INTERRUPTED, step=75, steps=100)
    assert costs_of(tmp_path) == pytest.approx(25 + 2)


def test_unknown_costs_are_told(tmp_path):
    jobs = plan(tmp_path, "seed=1")
    assert "unknown" in plan_table("mine", jobs, width=None)[-1]
    done(tmp_path, "seed=0", seconds=10)
    words = [["seed=1"], ["seed=2"]]
    more = make_plan(words[1:], composer(tmp_path, model={}), SweepOptions(), show_progress=False)
    table = plan_table("mine", [*plan(tmp_path, "seed=1"), *more], width=None)
    assert table[-1] == "expected cost: 12 s for 1 job on cpu, and 1 unknown"


def test_the_account_names_what_is_not_done(tmp_path):
    done(tmp_path, "seed=0", seconds=1)
    jobs = plan(tmp_path, "seed=0", "seed=1", "seed=2", "seed=3", "seed=1")
    queue_runs(jobs)
    collapsed = folder(tmp_path, "seed=1", State.COLLAPSED, message="usage 1 %")
    collapsed.write_result({})
    rows = look_again(jobs[:2])
    assert exit_code(rows) == 0
    folder(tmp_path, "seed=2", State.FAILED, message="no room")
    assert exit_code(look_again(jobs[:3])) == 1
    lines = account_lines("mine", look_again(jobs))
    assert lines[0] == "sweep mine: 1 done, 1 collapsed, 1 failed, 1 not finished"
    assert [line.split(": ")[0].strip() for line in lines[1:]] == [
        "collapsed",
        "failed",
        "not finished",
    ]
    assert lines[2].endswith(f"{jobs[2].folder.path}: no room")
    assert exit_code(look_again([jobs[0], jobs[3]])) == 1  # queued, and nobody comes
