"""W&B through the commands: trained, stopped, resumed, pushed; and vqx without the package."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.commands import TINY, lines_of, only_run, result_of, run, start, status_of
from tests.recorded import services_of
from tests.runs.synthetic import config_of, write_run
from tests.wandb_server import wandb_server
from vqx.tracking.wandb_logger import summary_of

RECORDED = (*TINY, "logger=wandb", "trainer.device=cpu", "trainer.steps=30")
OFTEN = ("trainer.checkpoint_every=1", "trainer.evaluate_every=7", "trainer.log_every=1")
DEADLINE = 120


def without_the_package(tmp_path: Path) -> dict[str, str]:
    """An environment in which wandb cannot be imported."""
    hidden = tmp_path / "hidden" / "wandb"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('hidden')\n")
    return {"PYTHONPATH": str(hidden.parent)}


def wait_for_line(process, results: Path, step: int) -> None:
    """Until metrics.jsonl of the run under `results` holds `step`."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        texts = [path.read_text() for path in results.glob("runs/*/metrics.jsonl")]
        if any(f'"step": {step},' in text for text in texts):
            return
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)
    raise AssertionError(f"no step {step} in {DEADLINE} s")


@pytest.mark.long
def test_a_stopped_and_resumed_run_is_one_at_wandb(tmp_path, monkeypatch):
    """Stopped twice, resumed, pushed twice: each line of metrics.jsonl is at W&B once."""
    pytest.importorskip("wandb", reason="pip install 'vqx[wandb]'")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VQX_SWEEP", "ablation")
    for step in (3, 12):
        process = start("vqx.train", *RECORDED, *OFTEN, cwd=tmp_path)
        wait_for_line(process, tmp_path / "results", step)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=DEADLINE)
        assert process.returncode == 128 + signal.SIGTERM
    with wandb_server() as server:
        nothing = run("vqx.report", "wandb=sync", cwd=tmp_path, **server.environment)
        assert "nothing to push; 1 not finished" in nothing.stdout, nothing.stderr
        done = run("vqx.train", *RECORDED, *OFTEN, "logger.mode=offline", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        for _ in range(2):
            pushed = run("vqx.report", "wandb=sync", cwd=tmp_path, **server.environment)
            assert pushed.returncode == 0, pushed.stderr
        assert "nothing to push" in pushed.stdout
    folder = only_run(tmp_path / "results")
    assert len(list(folder.glob("wandb/offline-run-*"))) == 3
    ((identity, served),) = server.runs.items()
    assert folder.name.endswith(f"-{identity}")
    assert (served.group, served.exit_code, served.pushes) == ("ablation", 0, 1)
    kinds = ("train", "evaluate")
    rows = [
        {key: value for key, value in row.items() if key.startswith(kinds) or key == "step"}
        for row in served.history[:-1]
    ]
    assert rows == [
        {"step": line["step"], **{f"{line['kind']}/{k}": v for k, v in values_of(line).items()}}
        for line in lines_of(folder)
    ]
    summary = summary_of(result_of(folder))
    assert {key: served.summary[key] for key in summary} == summary
    assert served.summary["state"] == status_of(folder)["state"] == "done"
    pictures = [name for name in served.files if name.startswith("media/images")]
    assert len(pictures) == sum(line["kind"] == "evaluate" for line in lines_of(folder)) + 2


def values_of(line: dict) -> dict:
    """What a line of metrics.jsonl measures."""
    return {k: v for k, v in line.items() if k not in ("step", "images_seen", "kind", "time")}


@pytest.mark.long
def test_ends_of_real_runs_are_told_apart(tmp_path, monkeypatch):
    """Diverged: its state and exit code; it is pushed as that."""
    pytest.importorskip("wandb", reason="pip install 'vqx[wandb]'")
    monkeypatch.setenv("HOME", str(tmp_path))
    wild = ("trainer.learning_rate=1e30", "trainer.warmup_steps=0", "trainer.clip_norm=null")
    ended = run("vqx.train", *RECORDED, *wild, cwd=tmp_path)
    assert ended.returncode == 1
    with wandb_server() as server:
        pushed = run("vqx.report", "wandb=sync", cwd=tmp_path, **server.environment)
    assert pushed.returncode == 0, pushed.stderr
    (served,) = server.runs.values()
    assert (served.exit_code, served.summary["state"]) == (1, "diverged")
    assert "became NaN or infinite at step" in served.summary["message"]
    assert "final_metrics" not in json.dumps(served.history)


@pytest.mark.slow
def test_nothing_but_its_logger_needs_the_package(tmp_path):
    hidden = without_the_package(tmp_path)
    write_run(tmp_path / "results" / "runs", config_of())
    shown = run("vqx.report", cwd=tmp_path, **hidden)
    assert shown.returncode == 0, shown.stderr
    refused = run("vqx.report", "wandb=sync", cwd=tmp_path, **hidden)
    assert refused.returncode == 1
    assert refused.stderr == ("vqx.report: W&B needs the package wandb: pip install 'vqx[wandb]'\n")


@pytest.mark.long
def test_training_without_the_package(tmp_path):
    hidden = without_the_package(tmp_path)
    refused = run("vqx.train", *TINY, "logger=wandb", cwd=tmp_path, **hidden)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        "vqx: W&B needs the package wandb: pip install 'vqx[wandb]'"
    )
    assert "Traceback" not in refused.stderr
    done = run("vqx.train", *TINY, cwd=tmp_path, **hidden)
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_the_death_of_wandb_costs_the_run_nothing(tmp_path, monkeypatch):
    """Its process is killed in mid-training: one warning, the same numbers, pushed whole."""
    pytest.importorskip("wandb", reason="pip install 'vqx[wandb]'")
    monkeypatch.setenv("HOME", str(tmp_path))
    process = start("vqx.train", *RECORDED, *OFTEN, cwd=tmp_path)
    wait_for_line(process, tmp_path / "results", 3)
    (service,) = services_of(process.pid)
    os.kill(service, signal.SIGKILL)
    output, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, output
    assert output.count("W&B has stopped recording") == 1
    assert "Traceback" not in output
    folder = only_run(tmp_path / "results")
    with wandb_server() as server:
        pushed = run("vqx.report", "wandb=sync", cwd=tmp_path, **server.environment)
    assert pushed.returncode == 0, pushed.stderr
    (served,) = server.runs.values()
    assert len(served.history) == len(lines_of(folder)) + 1
    assert served.summary["psnr"] == result_of(folder)["metrics"]["psnr"]["value"]
