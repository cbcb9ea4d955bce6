"""One owner a run folder, across hosts, restarts and freezes."""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.runs.synthetic import config_of, write_run
from vqx.errors import RunLocked, TakenOver
from vqx.runs import lock, ownership
from vqx.runs.folder import RunFolder
from vqx.runs.lock import RunLock, outwait_silence
from vqx.runs.ownership import STALE_SECONDS, Owner, claim, newest_claim, owner
from vqx.runs.reading import Run, read_run
from vqx.runs.status import State, Status


def claimed(folder: Path, *, number: int = 1, age: float = 0.0, **who: Any) -> Path:
    """A claim on run `folder` by a process that did not leave, last heard of `age` seconds ago."""
    path = folder / "claims" / str(number)
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {**asdict(Owner()), "host": "elsewhere", "pid": 77, **who}
    path.write_text(json.dumps(record))
    os.utime(path, (time.time() - age,) * 2)
    return path


def starters(folder: Path, count: int, *, stay: bool) -> list[str]:
    command = [sys.executable, "-m", "tests.runs.starters", str(folder), str(count), str(int(stay))]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=root, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("left", [None, "dead", "released"])
def test_of_twenty_hosts_without_common_locks_one_wins(tmp_path: Path, left: str | None) -> None:
    for round_ in range(3):
        folder = tmp_path / str(round_)
        folder.mkdir()
        if left is not None:
            path = claimed(folder, number=5, age=1000 if left == "dead" else 0)
            if left == "released":
                path.with_suffix(".released").touch()
        lines = starters(folder, 20, stay=True)
        assert len(lines) == 20
        assert lines.count("won") == 1, lines
        assert owner(folder) is None


def test_those_who_come_one_after_another_never_meet(tmp_path: Path) -> None:
    # They leave at once, so that several win in turn, and claims are cleaned up under the losers.
    lines = starters(tmp_path, 20, stay=False)
    assert "won" in lines
    numbers = [int(p.name) for p in (tmp_path / "claims").iterdir() if p.name.isdecimal()]
    assert max(numbers) >= lines.count("won")
    assert len(numbers) <= 4


def test_a_fresh_claim_of_another_host_is_respected(tmp_path: Path) -> None:
    claimed(tmp_path, age=50, job_id="12_3")
    with (
        pytest.raises(
            RunLocked,
            match=r"held by pid 77 on host elsewhere \(SLURM job 12_3\) since 20.*, last heard of "
            r"5\d s ago.*can be taken over in 1 min",
        ),
        RunLock(tmp_path),
    ):
        pass
    claimed(tmp_path, age=STALE_SECONDS + 1)
    with RunLock(tmp_path) as held:
        assert held.claim.number == 2


@pytest.mark.parametrize(
    ("before", "now", "taken"),
    [
        ({"boot": ""}, {}, False),  # this host, but before it was started again
        ({"job_id": "5", "restarts": 0}, {"SLURM_JOB_ID": "5", "SLURM_RESTART_COUNT": "1"}, True),
        ({"job_id": "5", "restarts": 1}, {"SLURM_JOB_ID": "5", "SLURM_RESTART_COUNT": "1"}, False),
        ({"job_id": "5", "restarts": 0}, {"SLURM_JOB_ID": "6", "SLURM_RESTART_COUNT": "1"}, False),
        ({"job_id": "5", "cluster": "a"}, {"SLURM_JOB_ID": "5", "SLURM_RESTART_COUNT": "1"}, False),
        (
            {"job_id": "5_2", "restarts": 0},
            {
                "SLURM_JOB_ID": "9",
                "SLURM_ARRAY_JOB_ID": "5",
                "SLURM_ARRAY_TASK_ID": "2",
                "SLURM_RESTART_COUNT": "1",
            },
            True,
        ),
    ],
)
def test_whose_death_is_known_is_followed_at_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: dict[str, Any],
    now: dict[str, str],
    taken: bool,
) -> None:
    host = {"host": Owner().host} if "boot" in before else {}
    claimed(tmp_path, **host, **before)
    for name, value in now.items():
        monkeypatch.setenv(name, value)
    if taken:
        with RunLock(tmp_path):
            pass
    else:
        with pytest.raises(RunLocked), RunLock(tmp_path):
            pass


def test_a_requeued_job_waits_for_its_former_self(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "5")
    former = RunLock(tmp_path)
    former.__enter__()
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    leave = threading.Timer(1.0, former.__exit__, [None, None, None])
    leave.start()  # four times as long as anybody else waits
    with RunLock(tmp_path) as held:
        assert held.claim.number == 2
    leave.join()


@pytest.mark.parametrize("sign", ["none", "touched", "released"])
def test_a_job_waits_until_it_knows_whether_the_owner_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sign: str
) -> None:
    monkeypatch.setattr(lock, "_SILENCE_SECONDS", 0.05)
    path = claimed(tmp_path, age=STALE_SECONDS - (1.5 if sign == "none" else 60))
    with pytest.raises(RunLocked), RunLock(tmp_path):
        pass
    act = {
        "none": lambda: None,
        "touched": lambda: os.utime(path),
        "released": path.with_suffix(".released").touch,
    }
    timer = threading.Timer(0.5, act[sign])
    began = time.monotonic()
    timer.start()
    outwait_silence(tmp_path)
    assert 0.4 < time.monotonic() - began < 10
    if sign == "touched":
        with pytest.raises(RunLocked), RunLock(tmp_path):
            pass
    else:
        with RunLock(tmp_path):
            began = time.monotonic()
            outwait_silence(tmp_path)  # a lock that is seen tells at once
            assert time.monotonic() - began < 0.4


def test_an_owner_that_was_taken_over_writes_nothing(tmp_path: Path) -> None:
    mine = RunFolder(tmp_path, claim(tmp_path))
    mine.write_status(Status(state=State.RUNNING, step=1))
    claimed(tmp_path, number=2)
    theirs = mine.status.read_bytes()
    writes = [
        lambda: mine.write_status(Status(state=State.FAILED)),
        lambda: mine.write_result({}),
        lambda: mine.write_error("x"),
    ]
    for write in writes:
        with pytest.raises(TakenOver, match="taken over by pid 77 on host elsewhere"):
            write()
    assert mine.status.read_bytes() == theirs
    assert sorted(p.name for p in tmp_path.iterdir()) == ["claims", "status.json"]


def test_a_file_whose_writer_froze_before_its_name_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The freeze falls between the check and the renaming; a take-over happens meanwhile."""
    mine = RunFolder(tmp_path, claim(tmp_path))
    replace = Path.replace

    def freeze_and_replace(source: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "replace", replace)
        with RunLock(tmp_path):  # of the same host here: the lock was never taken
            return replace(source, target)

    monkeypatch.setattr(Path, "replace", freeze_and_replace)
    with pytest.raises(TakenOver):
        mine.write_result({"metrics": {}})
    assert not mine.is_done


def test_the_lock_keeps_its_claim_fresh_and_gives_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_TOUCH_SECONDS", 0.02)
    with RunLock(tmp_path) as held:
        os.utime(held.claim.path, (0, 0))
        end = time.monotonic() + 5
        while held.claim.path.stat().st_mtime == 0 and time.monotonic() < end:
            time.sleep(0.01)
        found = newest_claim(tmp_path)
        assert found is not None
        assert time.time() - found.touched < 5
        assert owner(tmp_path) == found.owner
        assert found.owner is not None
        assert found.owner.pid == os.getpid()
    assert owner(tmp_path) is None


def test_age_is_told_by_the_file_servers_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed(tmp_path, age=10)
    monkeypatch.setattr(ownership.time, "time", lambda: 9e9)  # this host's clock is far ahead
    with pytest.raises(RunLocked), RunLock(tmp_path):
        pass


def test_an_unwritten_claim_is_somebodys_until_it_is_stale(tmp_path: Path) -> None:
    path = claimed(tmp_path)
    path.write_text("")
    with pytest.raises(RunLocked, match="held by another process"), RunLock(tmp_path):
        pass
    os.utime(path, (time.time() - STALE_SECONDS - 1,) * 2)
    with RunLock(tmp_path):
        pass


def test_readers_agree_with_starters(tmp_path: Path) -> None:
    """RUNNING exactly where a start is refused, and nothing is written by reading."""
    for age, released, expected in [
        (0, False, State.RUNNING),
        (STALE_SECONDS + 5, False, State.INTERRUPTED),
        (0, True, State.INTERRUPTED),
    ]:
        config = config_of(seed=int(age) + released)
        folder = write_run(
            tmp_path, config, state=State.RUNNING, host="elsewhere", heartbeat=time.time() - age
        )
        path = claimed(folder, age=age)
        if released:
            path.with_suffix(".released").touch()
        before = sorted(folder.rglob("*"))
        run = read_run(folder)
        assert sorted(folder.rglob("*")) == before
        assert isinstance(run, Run)
        assert run.state == expected
        if expected == State.RUNNING:
            with pytest.raises(RunLocked), RunLock(folder):
                pass
        else:
            with RunLock(folder):
                pass


def test_a_starter_that_read_an_old_list_finds_its_number_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was slow: others claimed, left, and cleaned up the number that it wants."""
    old = claimed(tmp_path, number=1, age=1000)
    read = newest_claim(tmp_path)
    old.unlink()
    claimed(tmp_path, number=9, pid=99)
    monkeypatch.setattr(ownership, "newest_claim", lambda folder: read)
    with pytest.raises(RunLocked, match="taken by another process at this moment"):
        claim(tmp_path)
    monkeypatch.undo()
    found = owner(tmp_path)
    assert found is not None
    assert found.pid == 99
