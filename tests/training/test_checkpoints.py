"""Checkpoints: whole or absent, proven by their hash, never more than two, never executed."""

import errno
import os
import pickle

import pytest
import torch

from vqx.errors import CheckpointError, VqxError
from vqx.training.checkpoints import list_checkpoints, load_newest, save


def state(step):
    return {"step": step, "weights": torch.arange(1000.0) + step, "nested": {"names": ["a"]}}


def test_what_was_saved_comes_back_bit_for_bit(tmp_path):
    save(tmp_path, state(3), step=3)
    loaded, damaged = load_newest(tmp_path)
    assert damaged == []
    assert loaded["step"] == 3
    assert loaded["nested"] == {"names": ["a"]}
    assert torch.equal(loaded["weights"], state(3)["weights"])


def test_an_empty_folder_has_no_state(tmp_path):
    assert load_newest(tmp_path / "absent") == (None, [])


def test_the_newest_two_are_kept(tmp_path):
    for step in (1, 2, 10, 9):
        save(tmp_path, state(step), step=step)
    assert [c.step for c in list_checkpoints(tmp_path)] == [10, 9]


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty"])
def test_a_damaged_newest_falls_back_and_says_so(tmp_path, damage):
    save(tmp_path, state(1), step=1)
    newest = save(tmp_path, state(2), step=2).path
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(
        {"truncate": bytes(data[: len(data) // 2]), "flip": bytes(data), "empty": b""}[damage]
    )
    loaded, damaged = load_newest(tmp_path)
    assert loaded["step"] == 1
    assert damaged == [newest]


def test_nothing_intact_is_an_error_that_names_the_folder(tmp_path):
    save(tmp_path, state(1), step=1).path.write_bytes(b"rubbish")
    with pytest.raises(CheckpointError, match=f"no intact checkpoint in {tmp_path}"):
        load_newest(tmp_path)


def test_a_full_disk_is_one_line_and_leaves_the_one_before(tmp_path, monkeypatch):
    save(tmp_path, state(1), step=1)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(VqxError, match=r"disk full while writing .*step-00000002"):
        save(tmp_path, state(2), step=2)
    monkeypatch.undo()
    assert [path.suffix for path in tmp_path.iterdir()] == [".pt"]
    assert load_newest(tmp_path)[0]["step"] == 1


class Bomb:
    def __reduce__(self):
        return (os.mkdir, ("exploded",))


def test_a_checkpoint_cannot_run_code(tmp_path, monkeypatch):
    import hashlib

    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bomb.pt"
    torch.save({"step": 1, "bomb": Bomb()}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    path.rename(tmp_path / f"step-00000001-{digest}.pt")
    with pytest.raises(pickle.UnpicklingError):
        load_newest(tmp_path)
    assert not (tmp_path / "exploded").exists()
