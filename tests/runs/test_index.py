"""An index of run folders changes nothing but the time that reading takes."""

import json
import os
import random
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.runs.synthetic import config_of, write_run
from vqx.runs import index
from vqx.runs.contents import FolderReader
from vqx.runs.reading import read_runs
from vqx.runs.status import State


@pytest.fixture(autouse=True)
def _eager(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Few folders and fresh files are indexed too."""
    monkeypatch.setattr(index, "FEWEST", 1)
    monkeypatch.setattr(index, "SETTLED_SECONDS", 0.0)
    monkeypatch.setenv("VQX_CACHE", str(tmp_path / "cache"))


def _read(runs: Path) -> str:
    return repr(read_runs([str(runs)]))


def _fresh(runs: Path) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "FEWEST", 1 << 30)
        return _read(runs)


def _file(runs: Path) -> Path:
    return runs / ".index.json"


def _reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the folders whose files are read from now on."""
    found: list[str] = []
    read = FolderReader.read

    def noted(self: FolderReader, folder: str, **options: tuple[int, ...]) -> object:
        found.append(Path(folder).name)
        return read(self, folder, **options)

    monkeypatch.setattr(FolderReader, "read", noted)
    return found


def _some_runs(runs: Path) -> list[Path]:
    states = {0: State.FAILED, 1: State.COLLAPSED}
    return [
        write_run(
            runs,
            config_of(name, seed=seed),
            state=states.get(seed, State.DONE),
            result={"metrics": {"psnr": {"value": float("nan"), "stamp": "s"}, "l1": {}}}
            if seed == 1
            else None,
            heartbeat=0.0,
        )
        for name in ("fsq", "ema")
        for seed in range(4)
    ]


def test_the_second_time_no_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = tmp_path / "runs"
    _some_runs(runs)
    expected = _fresh(runs)
    time.sleep(0.02)
    assert _read(runs) == expected
    reads = _reads(monkeypatch)
    assert _read(runs) == expected
    assert reads == []
    _file(runs).unlink()
    assert _read(runs) == expected
    assert len(reads) == 8


def _rewrite(path: Path, text: str) -> None:
    other = path.with_name("new")
    other.write_text(text)
    other.replace(path)


_CHANGES: list[Callable[[Path, random.Random], object]] = [
    lambda run, _: shutil.rmtree(run),
    lambda run, _: (run / "result.json").unlink(missing_ok=True),
    lambda run, _: (run / "config.yaml").unlink(missing_ok=True),
    lambda run, _: _rewrite(run / "result.json", '{"metrics": {"ps'),
    lambda run, r: _rewrite(run / "result.json", json.dumps({"a": r.random()})),
    lambda run, r: (run / "environment.json").write_text(json.dumps({"vqx": str(r.random())})),
    lambda run, r: (run / "config.yaml").write_text(f"seed: {r.randrange(9)}\nwhen: 2020-01-01\n"),
    lambda run, r: (run / "config.yaml").write_text(f"seed: {r.randrange(9)}\n1: {{2: 3}}\n"),
    lambda run, _: (run / "config.yaml").write_bytes(b"\xff\xfe"),
    lambda run, _: (run / "status.json").write_text("[]"),
    lambda run, _: _rewrite(run / "status.json", (run / "status.json").read_text()[:-9]),
    lambda run, _: shutil.copytree(run, run.parent / f"copy-{run.name}", dirs_exist_ok=True),
    lambda run, _: run.rename(run.parent / f"other-{run.name}"),
    lambda run, _: (run.parent / "link").unlink(missing_ok=True),
    lambda run, _: (run.parent / "link").is_symlink() or (run.parent / "link").symlink_to(run),
]


@pytest.mark.parametrize("seed", range(6))
def test_after_any_changes_reading_is_as_without_it(tmp_path: Path, seed: int) -> None:
    drawn = random.Random(seed)
    runs = tmp_path / "runs"
    _some_runs(runs)
    for _ in range(25):
        real = (path for path in runs.iterdir() if path.is_dir() and not path.is_symlink())
        folders = sorted(path for path in real if (path / "status.json").exists())
        if not folders:
            break
        drawn.choice(_CHANGES)(drawn.choice(folders), drawn)
        time.sleep(0.011)  # a file's time of change has ticked
        assert _read(runs) == _fresh(runs)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: b"",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace(b'"psnr"', b'"psnx"', 1),
        lambda text: text.replace(b"0.9", b"0.1", 1),
        lambda text: b"\xff" + text,
        lambda text: b"null",
        lambda text: text.partition(b"\n")[0] + b"\n[]",
    ],
)
def test_a_damaged_index_is_not_believed(
    tmp_path: Path, damage: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    _some_runs(runs)
    time.sleep(0.02)
    expected = _read(runs)
    before = _file(runs).read_bytes()
    _file(runs).write_bytes(damage(before))
    assert _file(runs).read_bytes() != before
    assert _read(runs) == expected
    assert _file(runs).read_bytes() == before  # and it is mended


def test_an_index_of_other_code_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    _some_runs(runs)
    time.sleep(0.02)
    _read(runs)
    monkeypatch.setattr(index, "_code", lambda: "other")
    reads = _reads(monkeypatch)
    _read(runs)
    assert len(reads) == 8


def test_files_that_may_change_unseen_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    _some_runs(runs)
    monkeypatch.setattr(index, "SETTLED_SECONDS", 60.0)
    _read(runs)
    assert not _file(runs).exists()


def test_a_running_run_is_read_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = tmp_path / "runs"
    _some_runs(runs)
    running = write_run(runs, config_of("vq"), state=State.RUNNING)
    time.sleep(0.02)
    _read(runs)
    reads = _reads(monkeypatch)
    _read(runs)
    assert reads == [running.name]


def test_where_runs_cannot_be_written_the_index_is_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    _some_runs(runs)
    time.sleep(0.02)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    expected = _read(runs)
    assert not _file(runs).exists()
    assert len(list((tmp_path / "cache/runs").iterdir())) == 1
    reads = _reads(monkeypatch)
    assert _read(runs) == expected
    assert reads == []


def test_where_nothing_can_be_written_reading_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    _some_runs(runs)
    (tmp_path / "cache").touch()  # no folder
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert _read(runs) == _fresh(runs)


def test_readers_at_once_leave_a_whole_index(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    _some_runs(runs)
    time.sleep(0.02)
    expected = _fresh(runs)
    seen: list[str] = []

    def read() -> None:
        for _ in range(6):
            _file(runs).unlink(missing_ok=True)
            seen.append(_read(runs))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) == {expected}
    _read(runs)
    header, _, body = _file(runs).read_text().partition("\n")
    assert header.split()[-1] in index._header(body)
    assert [p.name for p in runs.iterdir() if p.name.startswith(".")] == [".index.json"]


def test_runs_that_are_gone_leave_the_index(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    first, *_ = _some_runs(runs)
    time.sleep(0.02)
    _read(runs)
    assert first.name in _file(runs).read_text()
    shutil.rmtree(first)
    write_run(runs, config_of("vq", seed=9))
    time.sleep(0.02)
    _read(runs)
    assert first.name not in _file(runs).read_text()


def test_metrics_share_their_stamps_and_come_back(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    _some_runs(runs)
    time.sleep(0.02)
    _read(runs)
    text = _file(runs).read_text()
    assert text.count("gaussian 11x11 sigma 1.5") < 3
    assert _read(runs) == _fresh(runs)
