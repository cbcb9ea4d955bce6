"""Which files count as a run's code, and that a snapshot of them is what runs."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import vqx
from tests.sweeps.planned_jobs import planned
from vqx.runs import code
from vqx.runs.code import (
    code_fingerprint,
    own_digests,
    own_modules,
    read_fingerprint,
    save_fingerprint,
)
from vqx.runs.provenance import source_code
from vqx.sweeps import snapshot
from vqx.sweeps.calls import variables_for
from vqx.sweeps.options import SweepOptions
from vqx.sweeps.snapshot import take_snapshot


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A user's package that imports a module beside it; on the search path."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/__init__.py").write_text("from mine.layers import Model\n")
    (tmp_path / "mine/layers.py").write_text("def f():\n    import sizes, json, yaml\n")
    (tmp_path / "sizes.py").write_text("WIDTH = 1\n")
    (tmp_path / "other.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield tmp_path
    forget_files()


def forget_files():
    """As a process that starts now would: it reads each file once."""
    code._own_digests.cache_clear()
    snapshot._content.cache_clear()


CONFIG = {"model": {"_target_": "mine.Model", "inner": [{"_target_": "torch.nn.Linear"}]}}


def test_own_modules_count_with_what_they_import(own):
    names = sorted(own_modules(CONFIG))
    assert names == ["mine/__init__.py", "mine/layers.py", "sizes.py"]
    assert own_modules({"model": {"_target_": "vqx.models.Conv"}}) == {}


def test_a_link_to_nothing_is_no_module(own):
    (own / "mine/.#layers.py").symlink_to("nobody@nowhere.1")  # an editor's lock
    names = ["mine/__init__.py", "mine/layers.py", "sizes.py"]
    assert sorted(own_modules(CONFIG)) == sorted(own_digests(CONFIG)) == names


def test_of_a_folder_without_init_only_what_is_named_counts(own):
    (own / "research/parts").mkdir(parents=True)
    (own / "research/runs").mkdir()
    (own / "research/model.py").write_text("from .parts.norm import Norm\nimport research.loss\n")
    (own / "research/parts/norm.py").write_text("")
    (own / "research/loss.py").write_text("from research import sizes\n")
    (own / "research/sizes.py").write_text("")
    (own / "research/runs/copy.py").write_text("")
    names = sorted(own_modules({"model": {"_target_": "research.model.Model"}}))
    used = ("loss", "model", "parts/norm", "sizes")
    assert names == [f"research/{name}.py" for name in used]


def test_changes_are_named_by_file(own, tmp_path):
    before = code_fingerprint(CONFIG)
    save_fingerprint(before, tmp_path / "lists")
    assert read_fingerprint(before.digest, tmp_path / "lists").files == before.files
    assert read_fingerprint("absent", tmp_path / "lists") is None
    assert code_fingerprint(CONFIG).changes_since(before) == []
    (own / "sizes.py").write_text("WIDTH = 2\n")
    (own / "mine/more.py").write_text("")
    (own / "other.py").write_text("not mine\n")
    assert code_fingerprint(CONFIG).digest == before.digest
    forget_files()
    now = code_fingerprint(CONFIG)
    assert now.digest != before.digest
    assert now.changes_since(before) == ["mine/more.py (new)", "sizes.py"]


def test_what_changes_no_number_is_left_out():
    files = code_fingerprint({}).files
    assert "vqx/training/loop.py" in files
    assert "vqx/quantizers/fsq.py" in files
    assert "vqx/runs/folder.py" in files
    assert not [name for name in files if name.startswith(("vqx/reporting/", "vqx/sweeps/"))]


def test_a_process_runs_the_snapshot_whatever_is_edited(own, tmp_path, monkeypatch):
    monkeypatch.chdir(own)  # as a user has it, with code in the working directory
    monkeypatch.delenv("PYTHONPATH", raising=False)
    job = planned(tmp_path / "results")
    mine = {**job.config, "extra": CONFIG}
    variables = variables_for(
        [type(job)(overrides=(), config=mine, folder=job.folder, action=job.action)],
        SweepOptions(snapshot=True),
    )
    (own / "sizes.py").write_text("WIDTH = 2\n")
    program = own / "show.py"
    program.write_text(
        "import sizes, vqx\nfrom vqx.config import conf_dir\n"
        "print(sizes.WIDTH, vqx.__file__, conf_dir())\n"
        "from pathlib import Path\nfrom vqx.runs.provenance import source_code\n"
        "print(source_code(Path(vqx.__file__).parent).commit)\n"
    )
    shown = subprocess.run(
        [sys.executable, "-m", "show"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    width, package, conf, commit = shown.stdout.split()
    assert commit == str(source_code(Path(vqx.__file__).parent).commit)
    (place,) = (tmp_path / "results/runs/.snapshots").iterdir()
    assert (width, Path(package).parent.parent, Path(conf)) == ("1", place, place / "conf")


def test_the_same_files_are_kept_once(own, tmp_path):
    first = take_snapshot([CONFIG], tmp_path / "runs")
    kept = first / "sizes.py"
    kept.touch()
    before = kept.stat().st_mtime_ns
    assert take_snapshot([CONFIG], tmp_path / "runs") == first
    assert kept.stat().st_mtime_ns == before
    (own / "sizes.py").write_text("WIDTH = 3\n")
    assert take_snapshot([CONFIG], tmp_path / "runs") == first  # a search began with the old one
    forget_files()
    assert take_snapshot([CONFIG], tmp_path / "runs") != first
    assert not list((tmp_path / "runs/.snapshots").glob(".*"))
    assert (first / "hydra_plugins/vqx_launchers.py").exists()
