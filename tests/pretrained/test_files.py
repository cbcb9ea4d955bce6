"""Files appear whole or not at all."""

import os
import stat
from pathlib import Path

import pytest
import torch

from vqx.errors import WeightsMissing
from vqx.pretrained.files import load_tensors, locked, replacing, sha256_of


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def write() -> None:
        with replacing(path) as temporary:
            temporary.write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_finished_write_can_be_read_by_others(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a"
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_lock_excludes(tmp_path: Path) -> None:
    import fcntl

    with locked(tmp_path / "a"):
        handle = os.open(tmp_path / ".a.lock", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(handle)


def test_hash_of_a_known_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a").startswith("ba7816bf8f01cfea")


@pytest.mark.parametrize("content", [torch.ones(2), {"epoch": 3}, [1]])
def test_a_checkpoint_of_other_things_is_no_weights(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(WeightsMissing, match="not a dictionary of tensors"):
        load_tensors(tmp_path / "a.pth")


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
@pytest.mark.parametrize("content", [b"", b"x", b"<html>not found</html>" * 99])
def test_a_damaged_file_is_named_in_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsMissing, match=r"a\..* cannot be read as weights") as caught:
        load_tensors(tmp_path / name)
    assert "\n" not in str(caught.value)
