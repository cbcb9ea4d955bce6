"""Crash safety of files: whole or not at all, full disks included."""

import errno
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqx.errors import VqxError
from vqx.runs.files import (
    append_line,
    atomic_file,
    read_lines,
    remove_leftovers,
    truncate_metrics,
    write_json_atomic,
    write_text_atomic,
)


def _full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_an_error_while_writing_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_text_atomic(path, "old")

    def write_half() -> None:
        with atomic_file(path) as file:
            file.write(b"half of the n")
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_visible_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    with atomic_file(path) as file:
        file.write(b"x" * 100_000)
        assert not path.exists()
    assert path.stat().st_size == 100_000


def test_data_reach_the_disk_before_the_name_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    sync, rename = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        calls.append("fsync")
        sync(descriptor)

    def replace(source: Path, target: Path) -> Path:
        calls.append("rename")
        return rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    write_text_atomic(tmp_path / "a", "text")
    assert calls == ["fsync", "rename", "fsync"]  # the file, its name, the folder


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = tmp_path / "status.json"
    write_json_atomic(path, {"step": 1})

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(VqxError, match=r"^disk full while writing .*status\.json: free space"):
        write_json_atomic(path, {"step": 2})
    assert json.loads(path.read_text()) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_other_disk_errors_are_not_called_full(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_text_atomic(tmp_path / "no folder" / "a", "text")


def test_a_really_full_file_system(tmp_path: Path) -> None:
    """The whole path on a tmpfs of 64 KiB, where the kernel lets us mount one."""
    if not shutil.which("unshare"):
        pytest.skip("no unshare: cannot mount a small file system")
    program = """
import sys; from pathlib import Path
from vqx.errors import VqxError; from vqx.runs.files import *
folder = Path(sys.argv[1]); path = folder / "a.json"; lines = folder / "metrics.jsonl"
write_json_atomic(path, {"step": 1}); append_line(lines, {"step": 1})
for write in (lambda: write_json_atomic(path, ["x" * 100] * 2000),
              lambda: append_line(lines, {"step": 2, "text": "x" * 200_000})):
    try: write()
    except VqxError as error: print(error)
assert path.read_text() == '{\\n "step": 1\\n}\\n', path.read_text()
assert lines.read_text() == '{"step": 1}\\n', lines.read_text()[:100]
assert sorted(p.name for p in folder.iterdir()) == ["a.json", "metrics.jsonl"]
"""
    shell = f'mount -t tmpfs -o size=64k none {tmp_path} || exit 77; exec $0 -c "$1" {tmp_path}'
    command = ["unshare", "-rm", "sh", "-c", shell, sys.executable, program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    if done.returncode != 0 and "AssertionError" not in done.stderr:
        pytest.skip(f"cannot mount a small file system: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("disk full while writing") == 2


def test_a_line_cut_short_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.jsonl"
    append_line(path, {"step": 1})
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:5]))
    with pytest.raises(VqxError, match="disk full"):
        append_line(path, {"step": 2})
    assert path.read_text() == '{"step": 1}\n'


@given(
    st.dictionaries(st.text(max_size=8), st.floats() | st.integers() | st.text(max_size=20)),
)
def test_json_and_lines_keep_every_bit(tmp_path_factory: Any, record: dict[str, Any]) -> None:
    folder = tmp_path_factory.mktemp("json")
    write_json_atomic(folder / "a.json", record)
    append_line(folder / "a.jsonl", record)
    for back in (json.loads((folder / "a.json").read_text()), read_lines(folder / "a.jsonl")[0]):
        assert repr(back) == repr(record)  # repr: NaN equals itself, -0.0 is not 0.0


def _write_lines(path: Path, steps: list[int], torn: str = "") -> None:
    path.write_text(
        "".join(json.dumps({"step": s, "kind": "train", "loss": s / 3}) + "\n" for s in steps)
        + torn
    )


@given(
    steps=st.lists(st.integers(0, 30), max_size=12).map(sorted),
    cut=st.integers(0, 30),
    torn=st.sampled_from(["", "{", '{"step": 3', '{"step": 3}', "\x00\x00", "nul"]),
)
def test_resume_keeps_each_step_once(
    tmp_path_factory: Any, steps: list[int], cut: int, torn: str
) -> None:
    path = tmp_path_factory.mktemp("metrics") / "metrics.jsonl"
    _write_lines(path, steps, torn)
    truncate_metrics(path, step=cut, evaluated_step=cut)
    for step in range(cut + 1, 32):
        append_line(path, {"step": step, "kind": "train"})
    kept = [record["step"] for record in read_lines(path)]
    assert kept == [s for s in steps if s <= cut] + list(range(cut + 1, 32))


def test_an_evaluation_that_no_checkpoint_knows_of_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    lines = [(2, "train"), (2, "evaluate"), (4, "train"), (4, "evaluate")]
    for step, kind in lines:
        append_line(path, {"step": step, "kind": kind})
    truncate_metrics(path, step=4, evaluated_step=2)
    assert [(r["step"], r["kind"]) for r in read_lines(path)] == lines[:3]


def test_lines_of_a_new_run_are_none(tmp_path: Path) -> None:
    truncate_metrics(tmp_path / "metrics.jsonl", step=0, evaluated_step=-1)
    assert read_lines(tmp_path / "metrics.jsonl") == []


def test_damage_in_the_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\nrubbish\n{"step": 2}\n')
    with pytest.raises(VqxError, match="line 2 is no JSON"):
        read_lines(path)


def test_leftovers_of_killed_writers_go(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    for name in (".a.json.12-34.tmp", "checkpoints/.b.12-34.tmp", "kept.json", ".hidden"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    names = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert names == [".hidden", "kept.json"]


def test_nan_survives(tmp_path: Path) -> None:
    append_line(tmp_path / "m", {"loss": math.nan, "psnr": math.inf})
    record = read_lines(tmp_path / "m")[0]
    assert math.isnan(record["loss"])
    assert record["psnr"] == math.inf
