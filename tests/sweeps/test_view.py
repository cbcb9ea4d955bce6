"""A sweep's rows from its words, as reports see them; every shipped sweep file plans."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.commands import environment
from vqx.config import conf_dir
from vqx.errors import ConfigError
from vqx.sweeps.expansion import jobs_of
from vqx.sweeps.naming import sweep_name, watch_command
from vqx.sweeps.planned import Action
from vqx.sweeps.sweeping import run_sweep
from vqx.sweeps.view import multirun, sweep_jobs
from vqx.watching.selection import parse

# Jobs of each shipped sweep, and of how many runs.
SIZES = {
    "boessen": 1,
    "doraemonzzz_bf16": 8,
    "doraemonzzz_fp32": 8,
    "equal_bits": 3,
    "headline": 42,
    "matched_codebooks": 27,
    "minvqvae": 3,
    "one_change": 6,
    "serezd_gan": 6,
    "serezd_quantizers": 5,
    "serezd_vqgan": 4,
    "swasun": 6,
}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def searches(path):
    return "override /hydra/sweeper" in path.read_text()


def test_every_shipped_sweep_has_a_known_size():
    files = conf_dir().glob("sweeps/*.yaml")
    assert {path.stem for path in files if not searches(path)} == SIZES.keys()


@pytest.mark.parametrize("name", SIZES)
def test_every_shipped_sweep_has_its_jobs(name):
    config, loader = multirun([f"+sweeps={name}"])
    assert len(jobs_of(OmegaConf.to_container(config.hydra.sweeper), [], loader)) == SIZES[name]


# Rows of the other tables are composed one by one in test_scales.py.
@pytest.mark.parametrize("name", ["equal_bits", "matched_codebooks", "one_change", "minvqvae"])
def test_shipped_sweeps_plan(name, tmp_path):
    jobs = sweep_jobs([f"+sweeps={name}", "scale=smoke"])
    assert [job.action for job in jobs] == [Action.RUN] * SIZES[name], jobs
    assert not any(word.startswith("+sweeps") for job in jobs for word in job.overrides)
    assert list(tmp_path.iterdir()) == []


def test_words_without_a_sweep_file():
    jobs = sweep_jobs(["-m", "quantizer=fsq,vq", "seed=0,1", "trainer=smoke", "plan=true"])
    assert [job.config["seed"] for job in jobs] == [0, 1, 0, 1]
    assert "plan" not in jobs[0].config
    assert jobs[2].overrides == ("quantizer=vq", "seed=0", "trainer=smoke")


MINE = """\
# @package _global_
hydra:
  mode: MULTIRUN
  sweeper:
    rows: [quantizer=fsq, quantizer=vq]
trainer:
  steps: 7
max_parallel: 2
"""


def write(folder, text):
    (folder / "sweeps").mkdir(exist_ok=True)
    (folder / "sweeps" / "mine.yaml").write_text(text)
    return folder


def test_ones_own_sweep_may_set_what_all_its_jobs_have(tmp_path):
    own = write(tmp_path, MINE)
    jobs = sweep_jobs(["+sweeps=mine", "seed=3"], config_dir=own)
    assert [job.config["trainer"]["steps"] for job in jobs] == [7, 7]
    assert jobs[0].overrides == ("quantizer=fsq", "+sweeps=mine", "seed=3")
    assert (
        sweep_jobs(["+sweeps=mine", "trainer.steps=9"], config_dir=own)[0].config["trainer"][
            "steps"
        ]
        == 9
    )


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        (MINE, ["+sweeps=mien"], "there is no \\+sweeps=mien"),
        (MINE.replace("rows", "rwos"), ["+sweeps=mine"], "rwos is no way to sweep.*'rows'"),
        (MINE.split("\n", 1)[1], ["+sweeps=mine"], "must begin with the line '# @package"),
        (MINE, ["+sweeps=mine,other"], "one sweep at a time"),
        (MINE, ["quantizer=nosuch", "trainer.stps=1"], "there is no quantizer=nosuch"),
        (MINE, ["retry=all"], "retry must be failed or null"),
        (MINE, ["seed=["], "cannot read 'seed=\\['"),
        (MINE + "hydra: [", ["+sweeps=mine"], "mine.yaml.*line"),
        (MINE, ["hydra/sweeper=basic"], "BasicSweeper keeps no list of its jobs"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, text, words, message):
    with pytest.raises(ConfigError, match=message) as error:
        sweep_jobs(words, config_dir=write(tmp_path, text))
    assert "\n" not in str(error.value)


def test_a_missing_folder_of_ones_own_is_named():
    with pytest.raises(ConfigError, match="nosuch: there is no such folder"):
        sweep_jobs(["+sweeps=mine"], config_dir=Path("nosuch"))


def test_a_sweep_is_read_without_torch():
    code = """
import sys
from vqx.sweeps.table import plan_table
from vqx.sweeps.sweeping import run_sweep
from vqx.sweeps.view import multirun, sweep_jobs
from vqx.watching.selection import parse
plan_table("x", sweep_jobs(["quantizer=fsq,vq"]), width=80)
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=environment())


def test_a_sweeps_name_is_its_files_or_what_was_typed_options_aside():
    assert sweep_name(["seed=0", "+sweeps=swasun", "plan=true"]) == "swasun"
    typed = ["quantizer=fsq,vq", "seed=0,1"]
    same = [*typed, "retry=failed", "wait=true", "hydra/launcher=local", "results=elsewhere"]
    assert sweep_name(same) == sweep_name(typed) != sweep_name(typed[:1])
    assert re.fullmatch("quantizer-seed-[0-9a-f]{8}", sweep_name(typed))
    assert re.fullmatch("learning_rate-[0-9a-f]{8}", sweep_name(["trainer.learning_rate=1,2"]))
    assert re.fullmatch("sweep-[0-9a-f]{8}", sweep_name(["seed=0"]))
    many = [f"{letter * 20}=1,2" for letter in "abc"]
    assert len(sweep_name(many)) <= 49


def test_the_command_that_watches_a_sweep_shows_its_jobs(tmp_path):
    own = tmp_path / "my sweeps"
    own.mkdir()
    write(own, MINE)
    extra = ["results='/my results'", "plan=true", "hydra/launcher=slurm", "hydra.launcher.nodes=2"]
    for words, place in ((["+sweeps=mine", "seed=0,1"], own), (["seed=0,1"], None)):
        command = shlex.split(watch_command(multirun([*words, *extra], place)[0]))
        assert command[:3] == ["python", "-m", "vqx.status"]
        assert command[-1] == "--watch"
        assert not any(word.startswith(("hydra", "plan")) for word in command)
        sweep = parse(command[3:]).sweep
        jobs = sweep_jobs([*words, *extra], config_dir=place)
        assert [job.folder for job in sweep.jobs()] == [job.folder for job in jobs]


def test_runs_where_nobody_looks_are_refused(tmp_path):
    config, loader = multirun(["seed=0,1", "hydra.sweep.dir=elsewhere"])
    with pytest.raises(ConfigError, match=r"hydra.sweep.dir=elsewhere: .*give results=DIR"):
        run_sweep(config, loader, None)
