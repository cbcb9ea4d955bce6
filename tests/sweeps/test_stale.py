"""What changed under a waiting job, with configuration of the user's own too, and the way on."""

import os
from pathlib import Path

import pytest

from hydra_plugins.vqx_launchers import SerialLauncher
from tests.commands import TINY
from vqx.errors import ConfigError
from vqx.runs.folder import RunFolder
from vqx.sweeps.composition import Composer
from vqx.sweeps.options import without_options
from vqx.sweeps.stale import Changes, changes
from vqx.sweeps.view import multirun


def launcher_of(config):
    launcher = SerialLauncher()
    launcher.setup(hydra_context=None, task_function=None, config=config)
    return launcher


def test_configuration_of_ones_own_is_found_again(tmp_path, monkeypatch):
    place = tmp_path / "my conf, a=b"
    (place / "quantizer").mkdir(parents=True)
    mine = place / "quantizer/mine.yaml"
    mine.write_text("# @package _global_\ndefaults: [ema, _self_]\nquantizer: {commitment: 0.25}\n")
    monkeypatch.chdir(tmp_path)
    words = [*TINY, "quantizer=mine"]
    config, loader = multirun(words, Path(os.path.relpath(place)))
    stored = without_options(Composer(config, loader)(words))
    launcher = launcher_of(config)

    def found(**options):
        usual = {"code": "", "code_lists": tmp_path, "snapshot": False}
        return changes(stored, words, searchpath=launcher.searchpath, **{**usual, **options}).all

    assert launcher.searchpath == (f"file://{place}",)
    assert found() == []
    mine.write_text(mine.read_text().replace("0.25", "0.5"))
    assert found() == ["quantizer.commitment (0.25 -> 0.5)"]
    assert found(snapshot=True) == []


def test_a_refusal_in_mid_run_tells_how_to_keep_what_is_trained(tmp_path):
    folder, code = RunFolder(tmp_path), Changes([], ["mine.py"])
    assert "stale=warn" in code.way_on(folder)
    folder.checkpoints.mkdir()
    for step in (4, 12, 8):
        (folder.checkpoints / f"step-{step:08d}-0123456789abcdef.pt").touch()
    assert code.way_on(folder).startswith("step-00000012-0123456789abcdef.pt is kept: undo")
    assert "with the changed code" in code.way_on(folder)
    assert "another run" in Changes(["seed (0 -> 1)"], []).way_on(folder)


def test_the_serial_launcher_refuses_a_snapshot_that_nothing_would_use():
    with pytest.raises(ConfigError, match="choose hydra/launcher=local or slurm"):
        launcher_of(multirun([*TINY, "snapshot=true"])[0])
    launcher_of(multirun([*TINY, "snapshot=true", "plan=true"])[0])
