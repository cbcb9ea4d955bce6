"""Arrays as sbatch is given them, what it refuses, and what is in the folders then."""

import re
import shlex

import pytest

from tests.commands import status_of
from tests.sweeps.fake_slurm import install
from tests.sweeps.planned_jobs import queued
from vqx.errors import VqxError
from vqx.runs.status import State, Status
from vqx.sweeps import slurm, submitting
from vqx.sweeps.options import SweepOptions
from vqx.sweeps.submission import read_submission, write_submission
from vqx.sweeps.submitting import Submitter


@pytest.fixture
def fake(tmp_path, monkeypatch):
    monkeypatch.setenv("VQX_SWEEP", "sizes")
    monkeypatch.chdir(tmp_path)
    return install(tmp_path / "slurm", monkeypatch)


def submitter(tmp_path, **options):
    usual = {
        "submitit_folder": str(tmp_path / "results/runs/.submitit"),
        **{"timeout_min": 60, "nodes": 1, "signal_delay_s": 120, "max_num_timeout": 10**6},
        "max_starts_in_vain": 10,
        **{"array_parallelism": 256, "tasks_per_node": 1, "stderr_to_stdout": True},
    }
    return Submitter({**usual, **options}, searchpath=())


def jobs_of(tmp_path, *rows):
    return [queued(tmp_path / "results", *row.split()) for row in rows]


def flags(script):
    return dict(re.findall(r"^#SBATCH --([\w-]+)(?:=(.*))?$", script, re.M))


def test_one_array_of_jobs_that_requeue_and_end_with_their_ranks(fake, tmp_path):
    jobs = jobs_of(tmp_path, "seed=0", "seed=1", "seed=2")
    submitter(tmp_path, partition="main").submit(jobs, SweepOptions(max_parallel=2))
    (script,) = fake.scripts
    sbatch = flags(script)
    assert sbatch["array"] == "0-2%2"
    assert sbatch["job-name"] == "sizes"
    assert sbatch["requeue"] == ""
    assert (sbatch["nodes"], sbatch["ntasks-per-node"]) == ("1", "1")
    assert (sbatch["gpus-per-node"], sbatch["cpus-per-task"]) == ("1", "1")
    assert sbatch["signal"] == "USR2@120"
    (srun,) = (line for line in script.splitlines() if line.startswith("srun"))
    assert {"--kill-on-bad-exit=1", "--cpus-per-task=1"} <= set(shlex.split(srun))
    told = [read_submission(job.folder) for job in jobs]
    assert [one.job_id for one in told] == ["101_0", "101_1", "101_2"]
    assert told[2].log == str(tmp_path / "results/runs/.submitit/sizes/101_2_0_log.out")
    assert {one.sweep for one in told} == {"sizes"}


def test_jobs_of_different_needs_go_to_different_arrays(fake, tmp_path):
    jobs = jobs_of(tmp_path, "seed=0", "seed=1 trainer.devices=2", "seed=2")
    submitter(tmp_path).submit(jobs, SweepOptions())
    assert [flags(script).get("array") for script in fake.scripts] == ["0-1%2", None]
    assert [flags(script)["gpus-per-node"] for script in fake.scripts] == ["1", "2"]
    assert [read_submission(job.folder).job_id for job in jobs] == ["101_0", "102", "101_1"]
    assert not any("dependency" in script for script in fake.scripts)


def test_arrays_are_as_large_as_the_cluster_takes_and_together_keep_the_limit(fake, tmp_path):
    fake.answer("scontrol", "MaxArraySize = 3\n")
    jobs = jobs_of(tmp_path, *(f"seed={seed}" for seed in range(7)))
    submitter(tmp_path).submit(jobs, SweepOptions(max_parallel=2))
    given = [flags(script) for script in fake.scripts]
    assert [one.get("array") for one in given] == ["0-2%2", "0-2%2", None]
    assert [one.get("dependency") for one in given] == [None, "afterany:101", "afterany:102"]
    submitter(tmp_path).submit(jobs, SweepOptions(max_parallel=7))
    assert not any("dependency" in script for script in fake.scripts[3:])


def test_a_refusal_is_slurms_own_line_and_names_what_stays(fake, tmp_path):
    fake.answer("scontrol", "MaxArraySize = 2\n")
    fake.refuse_from(102)
    jobs = jobs_of(tmp_path, *(f"seed={seed}" for seed in range(5)))
    with pytest.raises(VqxError) as refused:
        submitter(tmp_path).submit(jobs, SweepOptions())
    message = str(refused.value)
    assert message.startswith("Slurm refused 3 jobs: QOSMaxSubmitJobPerUserLimit")
    assert message.endswith("left there: 101")
    assert "\n" not in message
    states = [status_of(job.folder.path)["state"] for job in jobs]
    assert states == ["queued"] * 2 + ["interrupted"] * 3
    assert "not submitted: QOSMax" in status_of(jobs[4].folder.path)["message"]
    assert read_submission(jobs[4].folder) is None


def test_jobs_that_could_not_be_noted_are_taken_back(fake, tmp_path, monkeypatch):
    def full(folder, submission):
        if submission.job_id == "101_1":
            raise VqxError("disk full")
        write_submission(folder, submission)

    monkeypatch.setattr(submitting, "write_submission", full)
    jobs = jobs_of(tmp_path, "seed=0", "seed=1")
    with pytest.raises(VqxError, match="disk full"):
        submitter(tmp_path).submit(jobs, SweepOptions())
    assert "scancel --quiet 101" in fake.calls
    assert {status_of(job.folder.path)["state"] for job in jobs} == {"interrupted"}


@pytest.mark.parametrize(
    ("options", "broken", "said"),
    [
        ({"timeout_min": 2}, None, "signal_delay_s=120 leaves no time"),
        ({"max_starts_in_vain": 0}, None, "max_starts_in_vain=0 lets no job start"),
        ({"nodes": 3}, None, "cannot be shared out"),
        ({}, "sinfo", "Unable to contact"),
    ],
)
def test_what_ends_before_sbatch_leaves_no_run_queued(
    fake, tmp_path, monkeypatch, options, broken, said
):
    monkeypatch.setattr(slurm, "_PAUSE_SECONDS", 0.0)
    if broken:
        fake.fail(broken, "Unable to contact slurm controller")
    (job,) = jobs_of(tmp_path, "seed=0")
    job.folder.write_status(Status(state=State.QUEUED, step=4, steps=6))
    with pytest.raises(VqxError, match=said):
        submitter(tmp_path, **options).submit([job], SweepOptions())
    status = status_of(job.folder.path)
    assert (status["state"], status["step"]) == ("interrupted", 4)
    assert "not submitted: " in status["message"]
    assert said in status["message"]


def test_jobs_have_three_quarters_of_the_notice_to_save(fake, tmp_path):
    import submitit

    (job,) = jobs_of(tmp_path, "seed=0")
    options = {"signal_delay_s": 40, "max_starts_in_vain": 3}
    submitter(tmp_path, **options).submit([job], SweepOptions(stale="warn"))
    kept = tmp_path / "results/runs/.submitit/sizes/101_submitted.pkl"
    call = submitit.helpers.DelayedSubmission.load(kept).function
    assert (call.stop_seconds, call.stale, call.folder) == (30.0, "warn", job.folder.path)
    assert call.starts_in_vain == 3


def test_a_snapshot_comes_first_on_the_jobs_path(fake, tmp_path):
    (job,) = jobs_of(tmp_path, "seed=0")
    submitter(tmp_path, setup=["module load x"]).submit([job], SweepOptions(snapshot=True))
    (script,) = fake.scripts
    (place,) = (tmp_path / "results/runs/.snapshots").iterdir()
    assert f"export PYTHONPATH={place}:{tmp_path}" in script
    assert "export PYTHONSAFEPATH=1" in script
    assert script.index("PYTHONPATH") < script.index("module load x") < script.index("srun ")
