"""Every published row runs at smoke scale for two steps, evaluation included."""

import math

import pytest

import vqx.training.rank as rank
from tests.commands import lines_of, result_of, run, status_of
from tests.pretrained.weights import alexnet_file  # noqa: F401 a fixture
from vqx.config import composed
from vqx.rows import names_of
from vqx.runs.folder import RunFolder
from vqx.training.launch import run_training

ROWS = names_of("experiment")


@pytest.fixture
def repeat(tmp_path, monkeypatch, alexnet_file):  # noqa: F811
    """Runs a row at smoke scale in this process; gives its result.json and its last log lines."""
    for picture in ("plot_use", "plot_curves"):  # half of the time, and tested elsewhere
        monkeypatch.setattr(rank, picture, lambda *_, **__: None)

    def run_row(row):
        config = composed([f"+experiment={row}", "scale=smoke", f"results={tmp_path}"])
        for weighted in config["loss"]["terms"].values():
            if "net" in weighted["term"]:
                weighted["term"]["weights"] = str(alexnet_file)
        folder = RunFolder(tmp_path / "run")
        run_training(config, folder, overrides=[])
        assert status_of(folder.path)["state"] == "done"
        trained = [line for line in lines_of(folder.path) if line["kind"] == "train"]
        return result_of(folder.path), trained[-1]

    return run_row


@pytest.mark.parametrize("row", ROWS)
def test_a_row_trains_and_is_evaluated(row, repeat):
    result, last = repeat(row)
    metrics = {key: metric["value"] for key, metric in result["metrics"].items()}
    assert last["step"] == (4 if row.endswith("20_epochs") else 2)
    assert math.isfinite(last["loss"])
    for key in ("psnr", "ssim", "l1", "l2", "usage", "perplexity"):
        assert math.isfinite(metrics[key]), key
    with_gan = "vqgan" in row and "noDisc" not in row
    assert (result["model"]["discriminator_parameters"] > 0) == with_gan
    assert ("masked_psnr" in metrics) == ("/masked" in row)
    assert result["model"]["discrete"] == (not row.startswith("minvqvae"))


def test_a_table_is_one_command_with_or_without_m(tmp_path):
    command = ("+sweeps=boessen", "scale=smoke", "seed=0,1")
    swept = run("vqx.train", *command, cwd=tmp_path)
    assert swept.returncode == 0, swept.stdout + swept.stderr
    assert "sweep boessen: 2 jobs: 2 to run" in swept.stdout
    again = run("vqx.train", "-m", *command, cwd=tmp_path)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "sweep boessen: 2 jobs: 2 done" in again.stdout


def test_a_table_of_the_users_own(tmp_path):
    own = tmp_path / "sweeps" / "mine.yaml"
    own.parent.mkdir()
    own.write_text(
        "# @package _global_\n"
        "hydra:\n"
        "  mode: MULTIRUN\n"
        "  sweeper:\n"
        "    params:\n"
        "      +experiment: boessen/staged,swasun/original_shuffled\n"
    )
    command = ("+sweeps=mine", "scale=smoke", "trainer.batch_size=0")  # refused: planned, not run
    swept = run("vqx.train", "--config-dir", ".", *command, cwd=tmp_path)
    assert swept.stderr.count("trainer.batch_size must be at least 1") >= 2, swept.stderr
