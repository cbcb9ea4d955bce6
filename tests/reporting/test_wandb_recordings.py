"""W&B's recordings read back, whole and torn."""

import struct

import pytest

from tests.recorded import line, recorded_run, started, without_login
from vqx.reporting.wandb_recordings import (
    Recording,
    has_begun,
    mark_begun,
    mark_pushed,
    pushed,
    recordings,
    records_of,
)
from vqx.runs.status import State

pytest.importorskip("wandb", reason="pip install 'vqx[wandb]'")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run with one recording, of four lines and a value that spans blocks of the file."""
    home = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch:
        without_login(patch, home)
        folder = recorded_run(home / "runs", steps=2)
        logger = started(folder)
        logger.line({**line(3), "long": "x" * 100_000})
        logger.finish(state=State.FAILED, exit_code=1)
    return folder


def test_recordings_are_in_the_order_of_their_sessions(folder):
    first, second = recordings(folder)
    assert (first.exit_code(), second.exit_code()) == (0, 1)
    earlier, later = (r.file.parent for r in (first, second))
    moved = earlier.with_name("offline-run-29991231_235959-later")
    earlier.rename(moved)  # a clock that goes back, or a local time in autumn
    assert [r.exit_code() for r in recordings(folder)] == [0, 1]
    moved.rename(earlier)
    assert later.exists()


def test_a_record_longer_than_a_block_is_read(folder):
    last = list(recordings(folder)[1].history().values())[-1]
    assert last["train/long"] == "x" * 100_000


def test_whole_means_every_line_and_an_end(folder):
    first, second = recordings(folder)
    assert first.is_whole(lines=4)
    assert not first.is_whole(lines=5)
    assert second.is_whole(lines=5)


def test_a_torn_file_is_read_up_to_the_tear(folder, tmp_path):
    source = recordings(folder)[1].file
    data = source.read_bytes()
    torn = tmp_path / "wandb" / "offline-run-1-a" / "run-a.wandb"
    torn.parent.mkdir(parents=True)
    for size in (0, 3, 7, 9, 500, 40_000, len(data) - 1):
        torn.write_bytes(data[:size])
        assert len(list(records_of(torn))) <= len(list(records_of(source)))
        assert Recording(torn).exit_code() is None
        assert not Recording(torn).is_whole(lines=5)
    torn.write_bytes(data[:7] + struct.pack("<IHB", 0, 9, 1) + b"no record")
    assert [r.run() for r in recordings(tmp_path)] == [None]


def test_what_was_pushed_is_remembered(folder):
    first, second = recordings(folder)
    assert (pushed(folder), has_begun(folder)) == (None, False)
    mark_begun(folder)
    assert (pushed(folder), has_begun(folder)) == (None, True)
    mark_pushed(folder, first, server="https://w.org")
    mark_pushed(folder, second, server="https://w.org")
    assert pushed(folder) == second.name
    assert not list((folder / "wandb").glob(".*"))


def test_a_run_without_recordings_has_none(tmp_path):
    assert recordings(tmp_path) == []
    assert pushed(tmp_path) is None
