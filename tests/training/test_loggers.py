"""Loggers: the names that configurations use, and W&B's without its package."""

import sys

import pytest

from vqx.errors import ConfigError
from vqx.runs.status import State
from vqx.training.experiment import construct
from vqx.training.loggers import NoLogger, WandbLogger


@pytest.mark.parametrize("name", ["NoLogger", "WandbLogger"])
def test_configurations_of_old_runs_name_them(name):
    logger = construct({"_target_": f"vqx.training.loggers.{name}"}, what="logger")
    assert type(logger).__name__ == name


def test_no_logger_leaves_nothing(tmp_path):
    logger = NoLogger()
    logger.start(folder=tmp_path, signature="a", name="b", config={})
    logger.line({"step": 1, "kind": "train"})
    logger.picture(tmp_path / "a.png", step=1)
    logger.finish(state=State.DONE, exit_code=0)
    assert not list(tmp_path.iterdir())


def test_without_the_package_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match=r"pip install 'vqx\[wandb\]'"):
        WandbLogger().start(folder=tmp_path, signature="a", name="b", config={})
