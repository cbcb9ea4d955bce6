"""Loggers: wandb with the real package, offline; its id, group, summary and exit state."""

import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vqx.errors import ConfigError
from vqx.training.loggers import WandbLogger


def test_an_unknown_mode_is_refused():
    with pytest.raises(ConfigError, match=r"logger.mode must be auto, online or offline"):
        WandbLogger(mode="sometimes")


def records_of(path: Path) -> Iterator[Any]:
    """Records of wandb's offline file: LevelDB's log format of protocol buffers."""
    from wandb.proto import wandb_internal_pb2

    data, position, message = path.read_bytes(), 7, b""
    while position < len(data):
        if (left := 32768 - position % 32768) < 7:
            position += left
            continue
        _, size, kind = struct.unpack_from("<IHB", data, position)
        message += data[position + 7 : position + 7 + size]
        position += 7 + size
        if kind in (1, 4):  # a whole record, or the last part of one
            record = wandb_internal_pb2.Record()
            record.ParseFromString(message)
            yield record
            message = b""


def complete_records(path: Path) -> list[Any]:
    """All records once the exit is among them: wandb's process writes on after `finish`."""
    for _ in range(200):
        records = list(records_of(path))
        if any(record.HasField("exit") for record in records):
            return records
        time.sleep(0.05)
    raise AssertionError(f"{path} never got its exit record")


@pytest.mark.slow
@pytest.mark.parametrize("exit_code", [0, 1])
def test_a_run_is_recorded_offline_under_its_signature(exit_code, tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="pip install 'vqx[wandb]'")
    monkeypatch.setenv("VQX_SWEEP", "ablation")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))  # no login of the machine's user
    logger = WandbLogger(project="test")
    logger.start(folder=tmp_path, signature="abc123", name="fsq", config={"seed": 0})
    logger.log({"train/loss": 0.5}, step=2)
    logger.finish(exit_code=exit_code, summary={"psnr": 21.0})
    (run,) = (tmp_path / "wandb").glob("offline-run-*-abc123")
    (record,) = run.glob("run-abc123.wandb")
    records = complete_records(record)
    (started, *_) = (r.run for r in records if r.HasField("run"))
    assert (started.run_id, started.run_group, started.project) == ("abc123", "ablation", "test")
    (ended,) = (r.exit for r in records if r.HasField("exit"))
    assert ended.exit_code == exit_code
    summary = {i.key: i.value_json for r in records for i in r.summary.update}
    assert float(summary["psnr"]) == 21
    logged = [i for r in records for i in r.history.item]
    assert "0.5" in {i.value_json for i in logged if "train/loss" in (i.key, *i.nested_key)}


def test_without_the_package_the_remedy_is_named(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match=r"pip install 'vqx\[wandb\]'"):
        WandbLogger().start(folder=tmp_path, signature="a", name="b", config={})
