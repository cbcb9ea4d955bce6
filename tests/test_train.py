"""`python -m vqx.train` as a user meets it: a run, the same again, sweeps, mistakes."""

import json
import time
from pathlib import Path

import pytest
import yaml

from tests.commands import TINY, lines_of, only_run, result_of, run, status_of


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One finished tiny run: its working folder, output and run folder."""
    place = tmp_path_factory.mktemp("train")
    done = run("vqx.train", "quantizer=fsq", "levels=[8,5,5,5]", *TINY, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    return place, done, only_run(place / "results")


def test_a_run_prints_its_metrics_and_its_folder(finished):
    _, done, folder = finished
    psnr = result_of(folder)["metrics"]["psnr"]["value"]
    assert f"{psnr:.2f}" in done.stdout
    assert done.stdout.rstrip().endswith(f"results/runs/{folder.name}")


def test_the_folder_holds_all_that_a_run_is(finished):
    _, _, folder = finished
    for name in ("config.yaml", "overrides.yaml", "environment.json", "metrics.jsonl", "lock"):
        assert (folder / name).exists(), name
    for name in ("reconstructions.png", "codebook_usage.png", "curves.png", "step-00000003.png"):
        assert (folder / "images" / name).stat().st_size > 1000, name
    assert not (folder / "error.txt").exists()
    assert not (folder / ".hydra").exists()
    assert status_of(folder)["state"] == "done"
    assert status_of(folder)["step"] == status_of(folder)["steps"] == 6
    assert len(list((folder / "checkpoints").iterdir())) == 2
    assert yaml.safe_load((folder / "overrides.yaml").read_text())[0] == "quantizer=fsq"
    environment = json.loads((folder / "environment.json").read_text())
    assert "torch" in environment["packages"]
    assert environment["seed"] == 0


def test_metrics_lines_name_each_step_once(finished):
    _, _, folder = finished
    lines = lines_of(folder)
    assert [line["step"] for line in lines if line["kind"] == "train"] == [2, 4, 6]
    assert [line["step"] for line in lines if line["kind"] == "evaluate"] == [3, 6]
    assert lines[0]["images_seen"] == 16


def test_the_final_evaluation_is_the_last_line(finished):
    _, _, folder = finished
    last = lines_of(folder)[-1]
    for key, metric in result_of(folder)["metrics"].items():
        assert last[key] == metric["value"]
        assert metric["stamp"]


def test_the_same_command_again_is_done_at_once_without_torch(finished):
    place, done, folder = finished
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    start = time.perf_counter()
    again = run("vqx.train", "levels=[8,5,5,5]", *TINY, cwd=place, PYTHONPROFILEIMPORTTIME="1")
    seconds = time.perf_counter() - start
    assert again.returncode == 0
    assert "done" in again.stdout
    assert again.stdout.splitlines()[-8:] == done.stdout.splitlines()[-8:]
    assert " torch\n" not in again.stderr
    assert seconds < 6  # alone 1 s; the bound leaves room for a busy machine
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_sweep_finishes_what_it_can_and_skips_what_is_done(finished, tmp_path):
    place, _, _ = finished
    sweep = ("-m", "levels=[8,5,5,5],[2,1],[3,3]", *TINY)
    swept = run("vqx.train", *sweep, cwd=place)
    assert swept.returncode != 0
    assert "3 jobs: 2 to run, 1 done" in swept.stdout
    assert "2 done, 1 failed" in swept.stdout
    assert "FSQ levels [2, 1]" in swept.stderr
    states = {p.name.split("-")[1]: status_of(p)["state"] for p in runs_under(place)}
    assert states == {"levels8x5x5x5": "done", "levels2x1": "failed", "levels3x3": "done"}
    (failed,) = (p for p in runs_under(place) if "2x1" in p.name)
    assert "Traceback" in (failed / "error.txt").read_text()


def runs_under(place: Path) -> list[Path]:
    return [path for path in (place / "results/runs").iterdir() if path.is_dir()]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["quantizer=vq", "levels=[8]"], "'levels' is no option here: it belongs to quantizer=fsq"),
        (
            ["quantizer=vqq"],
            "no quantizer=vqq (did you mean 'vq'?); quantizer is one of: bsq",
        ),
        (["quantiser=vq"], "did you mean 'quantizer'?"),
        (["trainer.stpes=5"], "did you mean 'trainer.steps'?"),
        (["+experimnt=x"], "unknown key 'experimnt'"),
        (["quantizer=vq", "+levels=[8]"], "nothing reads 'levels'"),
        (["trainer.batch_size=0"], "trainer.batch_size must be at least 1; got 0"),
        (["data=folder"], "'data.root' has no default: give it as data.root=..."),
        (["data=folder", "data.root=/absent"], "/absent does not exist"),
        (["levels=8"], "FSQ levels 8: use a list"),
        (["seed=x"], "seed must be a whole number; got 'x'"),
        (["quantizer=vq", "codebook_size=1.5"], "codebook_size 1.5: use a whole number"),
        (["loss.terms.l1.weight=abc"], "weight abc is not 0 or more"),
        (["trainer.precision=fp8"], "trainer.precision must be fp32, bf16 or fp16; got 'fp8'"),
    ],
)
def test_a_mistake_is_one_clear_line(arguments, line, tmp_path):
    wrong = run("vqx.train", *arguments, cwd=tmp_path)
    assert wrong.returncode == 1
    assert len(wrong.stderr.strip().splitlines()) == 1, wrong.stderr
    assert wrong.stderr.startswith("vqx: ")
    assert line in wrong.stderr
    runs = tmp_path / "results" / "runs"
    assert not runs.exists() or not list(runs.iterdir()), "a refused run leaves no row behind"


def test_a_non_finite_loss_ends_the_run_at_its_step(tmp_path):
    diverged = run("vqx.train", *TINY, "trainer.learning_rate=1e30", cwd=tmp_path)
    assert diverged.returncode == 1
    folder = only_run(tmp_path / "results")
    status = status_of(folder)
    assert status["state"] == "diverged"
    assert "NaN or infinite at step" in diverged.stderr
    assert "NaN or infinite at step" in status["message"]
    assert not (folder / "result.json").exists()


def test_help_lists_groups_and_cfg_prints_the_configuration(tmp_path):
    text = run("vqx.train", "--help", cwd=tmp_path).stdout
    assert "quantizer: bsq, cosine, ema" in text
    assert "python -m vqx.train -m" in text
    config = yaml.safe_load(run("vqx.train", "--cfg", "job", "quantizer=vq", cwd=tmp_path).stdout)
    assert config["quantizer"]["_target_"] == "vqx.quantizers.VQ"
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_a_short_run_on_fashion_mnist(tmp_path):
    if not Path("/usr/share/datasets/fashion-mnist").is_dir():
        pytest.skip("needs the images: apt-get install dataset-fashion-mnist")
    arguments = (*TINY[:2], *TINY[3:], "data=fashion_mnist", f"cache_dir={tmp_path}")
    done = run("vqx.train", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    data = result_of(only_run(tmp_path / "results"))["data"]
    assert (data["images"], data["tokens"]) == (10_000, 10_000 * 64)
