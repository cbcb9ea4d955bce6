"""A preparation ended at any moment goes on to the same bytes as an unbroken one."""

import errno
import resource
from contextlib import closing

import pytest

from tests.data.files import write_image
from tests.data.prepared.preparing import Fault, contents, prepare, struck, write_source
from vqx.data.prepared import beton_writer, split_writer
from vqx.data.prepared.folder_lock import FolderLock
from vqx.data.prepared.journal import JOURNAL, Journal
from vqx.data.prepared.manifest import Storage, read_manifest
from vqx.data.recipe import Recipe
from vqx.data.sources import FileSource
from vqx.errors import DataError

ENOUGH = 200  # operations on files, more than the whole preparation has


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_source(tmp_path_factory.mktemp("source"))


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Small pages, that are read fast, and many checkpoints."""
    monkeypatch.setattr(beton_writer, "PAGE_SIZE", 1 << 9)
    monkeypatch.setattr(split_writer, "CHECKPOINT_IMAGES", 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "format", "step"),
    [
        ("torn", "ffcv", 3),  # 1: all moments, in half a minute
        ("power", "ffcv", 3),
        ("full", "ffcv", 5),
        ("torn", "memmap", 5),
        ("power", "memmap", 5),
        ("full", "memmap", 7),
    ],
)
def test_every_moment_is_a_good_one_to_end(source, tmp_path, kind, format, step):
    storage = Storage(format=format)
    prepare(source, tmp_path / "whole", storage=storage)
    whole = contents(tmp_path / "whole")
    ends = 0
    for at in range(1, ENOUGH, step):
        folder = tmp_path / str(at)
        code = struck(Fault(kind, at), lambda f=folder: prepare(source, f, storage=storage))
        if code == 0:
            break
        ends += 1
        prepare(source, folder, storage=storage)
        assert contents(folder) == whole, f"ended at operation {at}"
    assert 5 < ends < ENOUGH // step


@pytest.mark.parametrize("format", ["ffcv", "memmap"])
def test_ended_again_and_again(source, tmp_path, format):
    storage = Storage(format=format)
    prepare(source, tmp_path / "whole", storage=storage)
    starts = 0
    while struck(Fault("torn", 25), lambda: prepare(source, tmp_path / "x", storage=storage)):
        starts += 1
        assert starts < 40, "it does not get ahead"
    assert starts > 1
    assert contents(tmp_path / "x") == contents(tmp_path / "whole")


def ended(source, folder, at=22, **options):
    """`folder` with a preparation that was ended in the middle."""
    assert struck(Fault("torn", at), lambda: prepare(source, folder, **options))
    assert read_manifest(folder) is None
    return folder


def test_what_is_done_is_not_read_again(source, tmp_path, capsys):
    folder = ended(source, tmp_path / "out")
    prepare(source, folder, show_progress=True)
    assert "going on with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"recipe": Recipe(3, 9)}, "max_resolution=8 there, 9 asked for"),
        ({"storage": Storage(mode="jpg")}, "mode=raw there, jpg asked for"),
        ({"storage": Storage(format="memmap")}, "format=ffcv there, memmap asked for"),
    ],
)
def test_a_part_of_other_settings_is_not_gone_on_with(source, tmp_path, options, named, capsys):
    folder = ended(source, tmp_path / "out")
    prepare(source, folder, show_progress=True, **options)
    assert named in capsys.readouterr().err
    prepare(source, tmp_path / "whole", **options)
    assert contents(folder) == contents(tmp_path / "whole")


def test_a_part_of_other_images_is_not_gone_on_with(tmp_path, capsys):
    source = write_source(tmp_path / "source")
    folder = ended(source, tmp_path / "out")
    write_image(source / "train/01.png", height=9, width=9, seed=99)
    prepare(source, folder, show_progress=True)
    assert "the train images have other names, sizes or times" in capsys.readouterr().err
    prepare(source, tmp_path / "whole")
    assert contents(folder) == contents(tmp_path / "whole")


def test_a_part_that_was_cut_is_begun_anew(source, tmp_path):
    folder = ended(source, tmp_path / "out")
    (folder / "train.beton.part").write_bytes(b"")
    prepare(source, folder)
    prepare(source, tmp_path / "whole")
    assert contents(folder) == contents(tmp_path / "whole")


def test_what_was_forgiven_is_not_when_going_on_without(source, tmp_path):
    folder = ended(source, tmp_path / "out")
    with pytest.raises(DataError, match=r"train/02\.png cannot be read"):
        prepare(source, folder, broken="stop")
    prepare(source, folder)


def test_a_finished_folder_is_left_as_it_is(source, tmp_path):
    folder = tmp_path / "out"
    first = prepare(source, folder)
    times = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert prepare(source, folder, workers=3, broken="stop") == first
    for options in ({"recipe": Recipe(1, 8)}, {"storage": Storage(quality=90)}):
        with pytest.raises(DataError, match=r"is prepared otherwise .*there, .* asked for"):
            prepare(source, folder, **options)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == times


def test_a_finished_folder_is_not_that_of_changed_images(tmp_path):
    source = write_source(tmp_path / "source")
    prepare(source, tmp_path / "out")
    write_image(source / "validation/01.png", height=9, width=9, seed=99)
    with pytest.raises(DataError, match="the validation images have other names, sizes or times"):
        prepare(source, tmp_path / "out")
    write_image(source / "validation/77.png")
    with pytest.raises(DataError, match="4 validation images there, 5 asked for"):
        prepare(source, tmp_path / "out")


@pytest.mark.parametrize("end", ["", ', "unread', ', "unreadable": []}', "\0\0\0"])
def test_a_torn_line_of_the_journal_does_not_count(tmp_path, end):
    identity = {"recipe": 1}
    with closing(Journal(tmp_path, identity)) as journal:
        journal.checkpoint("train", images=3, position=9, unreadable=[])
    with (tmp_path / JOURNAL).open("a") as file:
        file.write('{"split": "train", "images": 5, "position": 11' + end)
    for images in (3, 4):
        with closing(Journal(tmp_path, identity)) as journal:
            assert journal.of("train").images == images
            journal.checkpoint("train", images=images + 1, position=9, unreadable=[])


def test_files_of_others_are_not_overwritten(source, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "validation.beton").write_bytes(b"made elsewhere")
    with pytest.raises(DataError, match=r"validation\.beton is there"):
        prepare(source, folder)
    assert (folder / "validation.beton").read_bytes() == b"made elsewhere"


def test_two_at_once_are_refused(source, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    with FolderLock(folder), pytest.raises(DataError, match="another process prepares"):
        prepare(source, folder)
    prepare(source, folder)
    assert "preparation.lock" not in contents(folder)


def test_a_disk_that_takes_no_more(source, tmp_path):
    """The system's own refusal, in a process that may write files of 3,000 bytes only."""
    said = tmp_path / "said"

    def limited():
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
            prepare(source, tmp_path / "out", workers=2)
        except DataError as error:
            said.write_text(str(error))

    assert struck(Fault("full", 10**9), limited) == 0
    assert "disk full" in said.read_text()
    prepare(source, tmp_path / "out")
    prepare(source, tmp_path / "whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_too_little_space_is_seen_before(source, tmp_path, monkeypatch):
    from vqx.data.prepared import space

    monkeypatch.setattr(space.shutil, "disk_usage", lambda _: type("U", (), {"free": 1000}))
    with pytest.raises(DataError, match=r"has 1,000 bytes free, .* needs about [4-9],\d{3}:"):
        prepare(source, tmp_path / "out")


@pytest.mark.parametrize("moment", ["before its line", "after its line"])
def test_ended_by_ctrl_c_within_a_checkpoint(source, tmp_path, moment, monkeypatch):
    prepare(source, tmp_path / "unbroken", broken="skip", workers=0)
    checkpoint, calls = Journal.checkpoint, []

    def interrupted(self, split, **fields):
        calls.append(split)
        if len(calls) != 2:
            return checkpoint(self, split, **fields)
        if moment == "after its line":
            checkpoint(self, split, **fields)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "checkpoint", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare(source, tmp_path / "out", broken="skip", workers=0)
    prepare(source, tmp_path / "out", broken="skip", workers=0)
    assert contents(tmp_path / "out") == contents(tmp_path / "unbroken")


def test_a_file_the_system_refuses_is_not_noted_as_unreadable(source, tmp_path, monkeypatch):
    opened = FileSource.open

    def refused(self, index):
        if index == 5:
            raise OSError(errno.EIO, "Input/output error")
        return opened(self, index)

    with monkeypatch.context() as patched:
        patched.setattr(FileSource, "open", refused)
        with pytest.raises(DataError, match=r"could not be opened \(.*Input/output error\)"):
            prepare(source, tmp_path / "out", broken="skip", workers=0)
    prepare(source, tmp_path / "out", broken="skip", workers=0)
    prepare(source, tmp_path / "unbroken", broken="skip", workers=0)
    assert contents(tmp_path / "out") == contents(tmp_path / "unbroken")
