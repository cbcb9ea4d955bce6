"""`vqx.export` writes two files, whole or not at all, over nothing but an earlier export."""

import hashlib
import json

import pytest
import torch
import yaml
from safetensors.torch import load_file

import vqx
from tests.commands import run as command
from tests.trained import untrained
from vqx.errors import VqxError
from vqx.export import export
from vqx.training.checkpoints import load_newest, save

IMAGES = torch.arange(2 * 3 * 32 * 32).reshape(2, 3, 32, 32).mul(37).remainder(256).byte()


@pytest.fixture
def folder(tmp_path):
    """A run with a checkpoint and no result."""
    return untrained(tmp_path)[0]


def test_the_command_writes_two_files_that_load_reads(folder, tmp_path):
    result = {"cost": {"steps": 0}, "metrics": {"psnr": {"value": 20.5, "stamp": "x"}}}
    (folder / "result.json").write_text(json.dumps(result))
    done = command("vqx.export", str(folder), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    place = folder / "export"
    assert {file.name for file in place.iterdir()} == {"model.safetensors", "tokenizer.yaml"}
    described = yaml.safe_load((place / "tokenizer.yaml").read_text())
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert (described["model"], described["quantizer"]) == (config["model"], config["quantizer"])
    assert described["about"]["metrics"] == {"psnr": 20.5}
    assert described["about"]["signature"] == folder.name.rsplit("-", 1)[1]
    assert (described["about"]["vqx"], described["about"]["data"]) == (vqx.__version__, "photos")
    assert torch.equal(vqx.load(place).tokenize(IMAGES), vqx.load(folder).tokenize(IMAGES))
    again = export(place, tmp_path / "copy")  # an export can be exported
    assert (again / "model.safetensors").read_bytes() == (place / "model.safetensors").read_bytes()


def test_metrics_of_another_step_are_left_out(folder, tmp_path):
    result = {"cost": {"steps": 100}, "metrics": {"psnr": {"value": 20.5}}}
    (folder / "result.json").write_text(json.dumps(result))
    text = (export(folder, tmp_path / "out") / "tokenizer.yaml").read_text()
    assert "psnr" not in text


def test_shared_and_strided_tensors_are_written_plainly(folder, tmp_path):
    saved, _ = load_newest(folder / "checkpoints")
    state = saved["tokenizer"]
    names = [name for name, tensor in state.items() if tensor.ndim == 1]
    shapes = {}
    for name in names:
        shapes.setdefault(state[name].shape, []).append(name)
    first, second = next(group for group in shapes.values() if len(group) > 1)[:2]
    state[first] = state[second]
    kernel = next(name for name, tensor in state.items() if tensor.ndim == 4)
    state[kernel] = state[kernel].contiguous(memory_format=torch.channels_last)
    save(folder / "checkpoints", saved, step=1)
    place = export(folder, tmp_path / "out")
    written = load_file(place / "model.safetensors")
    assert all(torch.equal(written[name], tensor) for name, tensor in state.items())
    assert torch.equal(vqx.load(place).tokenize(IMAGES), vqx.load(folder).tokenize(IMAGES))


def test_an_earlier_export_is_replaced_and_nothing_else(folder, tmp_path):
    place = export(folder, tmp_path / "out")
    before = (place / "model.safetensors").read_bytes()
    assert export(folder, place) == place
    assert (place / "model.safetensors").read_bytes() == before
    (place / "notes.txt").write_text("mine")
    with pytest.raises(VqxError, match=r"notes.txt.*stays as it is"):
        export(folder, place)
    file = tmp_path / "file"
    file.write_text("mine")
    other = tmp_path / "other"
    other.mkdir()
    (other / "model.safetensors").write_text("not ours")
    for foreign in (file, other, folder):
        with pytest.raises(VqxError, match="no exported tokenizer"):
            export(folder, foreign)
    assert file.read_text() == "mine"
    assert sorted(path.name for path in other.iterdir()) == ["model.safetensors"]


def test_a_failure_leaves_the_earlier_export_and_no_rest(folder, tmp_path, monkeypatch):
    place = export(folder, tmp_path / "out")
    before = {file.name: file.read_bytes() for file in place.iterdir()}
    beside = {path.name for path in tmp_path.iterdir()}

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr("vqx.export._described", full)
    with pytest.raises(OSError, match="disk full"):
        export(folder, place)
    assert {file.name: file.read_bytes() for file in place.iterdir()} == before
    assert {path.name for path in tmp_path.iterdir()} == beside


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("model.safetensors", lambda data: data[:-1] + b"\0", "its bytes are not those"),
        ("tokenizer.yaml", lambda data: data.replace(b"format: 1", b"format: 99"), "format 99"),
        ("tokenizer.yaml", lambda data: data.replace(b"image_channels: 3", b""), "is damaged"),
        ("tokenizer.yaml", lambda data: b"[" + data, "cannot be read"),
        ("tokenizer.yaml", lambda data: data.replace(b"vqx.models", b"os"), "allow=os"),
    ],
)
def test_a_damaged_export_is_one_line(folder, tmp_path, file, change, words):
    path = export(folder, tmp_path / "out") / file
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(VqxError, match=words) as raised:
        vqx.load(tmp_path / "out")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [("image_channels", 0), ("image_channels", 65), ("pixel_levels", 1), ("pixel_levels", "2")],
)
def test_numbers_of_an_export_have_limits(folder, tmp_path, key, value):
    path = export(folder, tmp_path / "out") / "tokenizer.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), key: value}))
    with pytest.raises(VqxError, match=f"{key}={value} must be"):
        vqx.load(path.parent)


def test_tensors_that_are_none_are_refused_whatever_their_hash(folder, tmp_path):
    place = export(folder, tmp_path / "out")
    (place / "model.safetensors").write_bytes(b"none at all")
    described = yaml.safe_load((place / "tokenizer.yaml").read_text())
    described["sha256"] = hashlib.sha256(b"none at all").hexdigest()
    described["name"] = "red\x1b[31m"
    (place / "tokenizer.yaml").write_text(yaml.safe_dump(described))
    with pytest.raises(VqxError, match="is damaged") as raised:
        vqx.load(place)
    assert str(raised.value).isprintable()


def test_a_mistyped_option_is_named(folder, tmp_path):
    wrong = command("vqx.export", str(folder), "to=x", cwd=tmp_path)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)
    assert "'to' is no option" in wrong.stderr
