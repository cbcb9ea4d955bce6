"""The W&B logger with the real package: offline by its file, online against a server here."""

import json
import os
import signal
from pathlib import Path

import pytest
from PIL import Image

from tests.recorded import line, lines, services_of, started, without_login, write_lines
from tests.runs.synthetic import config_of, result_of, write_run
from tests.wandb_server import wandb_server
from vqx.errors import ConfigError, VqxError
from vqx.reporting.wandb_recordings import Recording, recordings, records_of
from vqx.runs.status import State
from vqx.tracking import wandb_logger
from vqx.tracking.wandb_logger import WandbLogger, summary_of

pytest.importorskip("wandb", reason="pip install 'vqx[wandb]'")


@pytest.fixture(autouse=True)
def _no_login(monkeypatch, tmp_path):
    without_login(monkeypatch, tmp_path)


@pytest.fixture
def folder(tmp_path):
    """A run that is done but for its recording."""
    folder = write_run(tmp_path / "runs", config_of())
    write_lines(folder, [])
    return folder


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Folder and recording of a run that is done."""
    home = tmp_path_factory.mktemp("done")
    folder = write_run(home / "runs", config_of())
    write_lines(folder, lines(3))
    (folder / "metrics.jsonl").write_text("")
    for name in ("codebook_usage", "curves"):
        Image.new("RGB", (8, 4)).save(folder / "images" / f"{name}.png")
    with pytest.MonkeyPatch.context() as patch:
        without_login(patch, home)
        patch.setenv("VQX_SWEEP", "ablation")
        logger = started(folder, project="tokenizers")
        for record in lines(3):
            logger.line(record)
            if record["kind"] == "evaluate":
                step = record["step"]
                logger.picture(folder / "images" / f"step-{step:08d}.png", step=step)
        logger.finish(state=State.DONE, exit_code=0)
    (recording,) = recordings(folder)
    return folder, recording


def summary_in(recording: Recording) -> dict:
    """The last value of each key of the summary, as JSON has them."""
    items = [item for r in records_of(recording.file) for item in r.summary.update]
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def seen(recording: Recording) -> list[tuple[int, str]]:
    """Step and kind of each row."""
    kinds = ("train", "evaluate", "final_metrics")
    return [
        (row["step"], next(kind for kind in kinds if any(key.startswith(kind) for key in row)))
        for row in recording.history().values()
    ]


def wanted(last: int) -> list[tuple[int, str]]:
    """Step and kind of each line."""
    return [(record["step"], record["kind"]) for record in lines(last)]


def test_id_is_the_signature_and_group_the_sweep(done):
    folder, recording = done
    run = recording.run()
    assert folder.name.endswith(run.run_id)
    assert (run.run_group, run.project) == ("ablation", "tokenizers")
    assert run.display_name == folder.name
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["data"] == {"name": "photos"}


def test_both_lines_of_a_step_are_there_once(done):
    assert seen(done[1]) == [*wanted(3), (800, "final_metrics")]
    rows = list(done[1].history().values())
    assert rows[2]["train/loss"] == 0.5
    assert (rows[3]["evaluate/psnr"], rows[3]["images_seen"], rows[3]["time"]) == (22, 16, 2)


def test_step_is_the_axis_of_every_metric(done):
    metrics = [r.metric for r in records_of(done[1].file) if r.HasField("metric")]
    axes = {m.glob_name: m.step_metric for m in metrics if m.glob_name}
    assert axes == dict.fromkeys(("train/*", "evaluate/*", "images/*"), "step")


def test_the_summary_is_the_result(done):
    folder, recording = done
    summary, result = summary_in(recording), json.loads((folder / "result.json").read_text())
    for key, metric in result["metrics"].items():
        assert summary[key] == metric["value"], key
    for part in ("model", "cost"):
        for key, value in result[part].items():
            assert summary.get(f"{part}/{key}") == value, key
    media = ("images/", "final_metrics/")
    told = {k for k in summary if not k.startswith(("_", *media))}
    assert told == {*summary_of(result), "step", "state", "message"}


def test_pictures_and_table_are_there(done):
    folder, recording = done
    rows = list(recording.history().values())
    files = recording.file.parent / "files"
    for row, key in (
        (rows[5], "reconstructions"),
        (rows[6], "codebook_usage"),
        (rows[6], "curves"),
    ):
        assert (files / row[f"images/{key}/path"]).stat().st_size == row[f"images/{key}/size"]
    table = json.loads((files / rows[6]["final_metrics/path"]).read_text())
    assert table["columns"] == ["metric", "value", "better", "protocol"]
    result = json.loads((folder / "result.json").read_text())
    psnr = result["metrics"]["psnr"]
    assert ["psnr", psnr["value"], "higher", psnr["stamp"]] in table["data"]
    assert ["rfid", None, None, f"left out: {result['missing']['rfid']}"] in table["data"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("state", "exit_code"),
    [
        (State.DONE, 0),
        (State.COLLAPSED, 0),
        (State.FAILED, 1),
        (State.DIVERGED, 1),
        (State.INTERRUPTED, 143),
    ],
)
def test_ends_are_told_apart(folder, state, exit_code):
    started(folder).finish(state=state, exit_code=exit_code, message="why")
    (recording,) = recordings(folder)
    summary = summary_in(recording)
    assert recording.exit_code() == exit_code
    assert (summary["state"], summary["message"]) == (str(state), "why")
    assert ("psnr" in summary) == (state in (State.DONE, State.COLLAPSED))
    preempted = any(r.HasField("preempting") for r in records_of(recording.file))
    assert preempted == (state is State.INTERRUPTED)


@pytest.mark.slow
def test_a_resumed_run_repeats_no_row_offline(folder):
    """Stopped after step 3 with a checkpoint of step 2, whose evaluation comes again."""
    logger = started(folder)
    for record in lines(3):
        logger.line(record)
    logger.finish(state=State.INTERRUPTED, exit_code=143)
    write_lines(folder, lines(2)[:-1])
    logger = started(folder)
    for record in lines(4)[3:]:
        logger.line(record)
    logger.finish(state=State.DONE, exit_code=0)
    first, newest = recordings(folder)
    assert first.run().run_id == newest.run().run_id
    assert seen(newest) == [*wanted(4), (800, "final_metrics")]
    assert "images/reconstructions/path" in list(newest.history().values())[1]  # of before
    assert summary_in(newest)["state"] == "done"


@pytest.mark.slow
def test_a_resumed_run_repeats_no_row_online(folder, monkeypatch, capfd):
    """As above; and of what the server has lost, nothing is missing in the end."""
    with wandb_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        logger = started(folder, mode="auto")
        for record in lines(3)[:-1]:
            logger.line(record)
        logger.finish(state=State.INTERRUPTED, exit_code=143)
        write_lines(folder, lines(2)[:-1])
        logger = started(folder, mode="auto")
        for record in lines(3)[3:]:
            logger.line(record)
        logger.finish(state=State.INTERRUPTED, exit_code=143)
        (run,) = server.runs.values()
        assert [row["_step"] for row in run.history] == [2, 3, 4, 5, 6, 7]
        del run.history[3:]
        run.summary["_step"] = 4
        write_lines(folder, lines(3))
        logger = started(folder, mode="auto")
        logger.finish(state=State.DONE, exit_code=0)
    assert [row["_step"] for row in run.history] == [2, 3, 4, 5, 6, 7, 1602]
    assert (run.exit_code, run.summary["state"]) == (0, "done")
    assert run.summary["psnr"] == result_of(config_of())["metrics"]["psnr"]["value"]
    assert not any(recording.is_offline for recording in recordings(folder))
    assert "Tried to log" not in capfd.readouterr().err  # wandb's word for a row it drops


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_the_death_of_wandb_in_training_is_one_warning(folder, capfd):
    logger = started(folder)
    logger.line(line(1))
    (service,) = services_of(os.getpid())
    os.kill(service, signal.SIGKILL)
    for step in range(2, 200):
        logger.line(line(step))
    logger.finish(state=State.DONE, exit_code=0)
    assert capfd.readouterr().err.count("\n") == 1
    logger = started(folder)  # another run of the same sweep, in the same process
    logger.finish(state=State.DONE, exit_code=0)
    assert recordings(folder)[-1].exit_code() == 0
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_a_server_that_goes_away_does_not_hold_the_run(folder, monkeypatch, capfd):
    monkeypatch.setattr(wandb_logger, "_FINISH_SECONDS", 1.0)
    monkeypatch.setattr(wandb_logger, "_TEARDOWN_SECONDS", 1.0)
    with wandb_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        logger = started(folder, mode="auto")
        logger.line(line(1))
    logger.finish(state=State.FAILED, exit_code=1)
    assert "vqx: W&B has stopped recording (TimeoutError" in capfd.readouterr().err
    assert (folder / "wandb" / wandb_logger.UNSENT).exists()


@pytest.mark.slow
def test_a_server_that_refuses_leaves_a_recording(folder, monkeypatch, capfd):
    with wandb_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        server.refused.add(folder.name.rpartition("-")[2])
        with pytest.raises(VqxError, match=r"W&B cannot be started .*permission denied"):
            started(folder, mode="online")
        started(folder, mode="auto").finish(state=State.DONE, exit_code=0)
    assert "it records offline" in capfd.readouterr().err
    assert recordings(folder)[-1].is_offline


def test_an_unknown_mode_is_refused():
    with pytest.raises(ConfigError, match=r"logger.mode must be auto, online or offline"):
        WandbLogger(mode="sometimes")
