"""What a sweep's options may be, and that a single run refuses them."""

import pytest

from tests.commands import TINY, run
from vqx.errors import ConfigError, DataError
from vqx.running import record_failure
from vqx.runs.folder import RunFolder
from vqx.sweeps.options import SweepOptions, options_of_one_run
from vqx.sweeps.submission import Submission, write_submission


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"plan": "yes"}, "plan must be true or false; got 'yes'"),
        ({"wait": None}, "wait must be true or false; got None"),
        ({"cancel": 1}, "cancel must be true or false; got 1"),
        ({"retry": "all"}, "retry must be failed or null; got 'all'"),
        ({"stale": "ignore"}, "stale must be one of refuse, warn; got 'ignore'"),
        ({"max_parallel": 0}, "max_parallel must be a positive whole number; got 0"),
        ({"max_parallel": True}, "max_parallel must be a positive whole number; got True"),
    ],
)
def test_a_value_that_cannot_be_is_named(given, message):
    with pytest.raises(ConfigError, match=message):
        SweepOptions(**given)


@pytest.mark.parametrize(
    "given", [{"plan": True}, {"cancel": True}, {"wait": True}, {"retry": "failed"}]
)
def test_one_run_refuses_what_only_sweeps_do(given):
    with pytest.raises(ConfigError, match=f"{next(iter(given))}=.* is for sweeps: give -m too"):
        options_of_one_run(given)
    assert options_of_one_run({"plan": False, "objective": "psnr"}).objective == "psnr"


def test_a_sweep_file_without_its_mode_is_no_run():
    with pytest.raises(ConfigError, match="\\+sweeps=mine is a sweep: give -m too"):
        options_of_one_run({}, sweep="mine")


def test_a_launcher_without_m_is_no_run_here():
    with pytest.raises(ConfigError, match="hydra/launcher=slurm is for sweeps: give -m too"):
        options_of_one_run({}, launcher="slurm")


def test_a_plan_or_a_cancel_without_m_trains_nothing(tmp_path):
    (tmp_path / "sweeps").mkdir()
    text = "# @package _global_\nhydra:\n  sweeper:\n    params: {seed: '0,1'}\n"
    (tmp_path / "sweeps" / "mine.yaml").write_text(text)
    for words in (["cancel=true"], ["--config-dir=.", "+sweeps=mine"], ["hydra/launcher=local"]):
        refused = run("vqx.train", *words, *TINY, cwd=tmp_path)
        assert refused.returncode == 1
        assert "give -m too" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
        assert list((tmp_path / "results" / "runs").iterdir()) == []


def test_a_refused_run_that_waits_in_slurm_keeps_its_folder(tmp_path):
    folder = RunFolder(tmp_path / "fsq-0123456789")
    folder.path.mkdir()
    record_failure(folder, DataError("no photos"), keep=False)
    assert not folder.path.exists()
    folder.path.mkdir()
    submission = Submission(launcher="slurm", job_id="7", log="log", sweep="s", code="")
    write_submission(folder, submission)
    record_failure(folder, DataError("no photos"), keep=False)
    assert folder.submission.exists()
