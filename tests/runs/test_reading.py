"""Runs read back: the state a reader can tell, and folders that are no runs."""

import json
import shutil
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.runs.synthetic import config_of, write_run
from vqx.runs.lock import RunLock
from vqx.runs.reading import Run, Skipped, read_run, read_runs
from vqx.runs.status import State


def test_a_run_that_lost_its_configuration_is_not_taken_for_one_that_never_started(
    tmp_path: Path,
) -> None:
    folder = write_run(tmp_path, config_of())
    (folder / "config.yaml").unlink()
    _, (skipped,) = read_runs([str(tmp_path)])
    assert skipped.reason == "config.yaml is gone, although there is a result.json"
    (folder / "result.json").unlink()
    _, (skipped,) = read_runs([str(tmp_path)])
    assert skipped.reason.startswith("no config.yaml: not a run folder")


def _read(path: Path, **options: Any) -> Run:
    run = read_run(path, **options)
    assert isinstance(run, Run), run
    return run


def test_a_done_run(tmp_path: Path) -> None:
    path = write_run(tmp_path, config_of("ema", seed=2))
    run = _read(path)
    assert (run.state, run.note) == (State.DONE, "")
    assert f"{run.slug}-{run.signature}" == path.name
    assert run.config == config_of("ema", seed=2)
    assert run.result is not None
    assert run.environment["packages"]["torch"] == "2.14.1"


def test_a_running_run_holds_its_lock(tmp_path: Path) -> None:
    path = write_run(tmp_path, config_of(), state=State.RUNNING, host=socket.gethostname())
    with RunLock(path):
        assert _read(path).state == State.RUNNING
        hung = _read(path, now=time.time() + 3 * 3600)
        assert (hung.state, hung.note) == (State.RUNNING, "no heartbeat for 3 h: it may hang")
    gone = _read(path)
    assert (gone.state, gone.note) == (State.INTERRUPTED, "its process 1 is gone")


def test_a_run_on_another_host_is_told_by_its_heartbeat(tmp_path: Path) -> None:
    path = write_run(tmp_path, config_of(), state=State.RUNNING, host="elsewhere")
    assert _read(path).state == State.RUNNING
    assert _read(path, now=time.time() - 3600).state == State.RUNNING  # its clock is ahead
    old = _read(path, now=time.time() + 3 * 3600 + 61)
    assert (old.state, old.note) == (State.INTERRUPTED, "no heartbeat for 3 h 1 min")


def test_a_rank_that_failed_before_the_status_did(tmp_path: Path) -> None:
    path = write_run(tmp_path, config_of(), state=State.RUNNING, host=socket.gethostname())
    (path / "error.txt").write_text("Traceback (most recent call last):\n  File x\nOSError: gone\n")
    run = _read(path)
    assert (run.state, run.note) == (State.FAILED, "OSError: gone")


@pytest.mark.parametrize("state", [State.QUEUED, State.FAILED, State.DIVERGED, State.INTERRUPTED])
def test_other_states_are_as_written(tmp_path: Path, state: State) -> None:
    path = write_run(tmp_path, config_of(), state=state, message="why", heartbeat=0.0)
    run = _read(path)
    assert (run.state, run.note) == (state, "why")


def test_a_result_means_done_whatever_came_after(tmp_path: Path) -> None:
    path = write_run(tmp_path, config_of(), state=State.RUNNING, heartbeat=0.0)
    (path / "result.json").write_text('{"metrics": {}}')
    assert _read(path).state == State.DONE


def test_a_collapsed_run_keeps_state_and_numbers(tmp_path: Path) -> None:
    path = write_run(tmp_path, config_of(), state=State.COLLAPSED, result={"metrics": {}})
    run = _read(path)
    assert (run.state, run.result) == (State.COLLAPSED, {"metrics": {}})


@pytest.mark.parametrize("state", [State.DONE, State.COLLAPSED])
def test_ended_without_a_result_is_not_done(tmp_path: Path, state: State) -> None:
    path = write_run(tmp_path, config_of(), state=state, result={"metrics": {}})
    (path / "result.json").unlink()
    run = _read(path)
    assert (run.state, run.note) == (State.FAILED, "its result.json is gone: run it again")


def test_a_damaged_result_keeps_its_run_and_says_so(tmp_path: Path) -> None:
    path = write_run(tmp_path, config_of())
    (path / "result.json").write_text('{"metrics": {"psn')
    run = _read(path)
    assert run.state == State.FAILED
    assert "result.json is damaged" in run.note
    assert "delete it and run again" in run.note


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("notes.txt", "x", "no config.yaml"),
        ("config.yaml", "a: [1,", "config.yaml is damaged"),
        ("config.yaml", "", "config.yaml is damaged"),
        ("config.yaml", "\udcff", "config.yaml cannot be read"),
        ("config.yaml", "!!python/object:os.system {}", "config.yaml is damaged"),
    ],
)
def test_what_is_no_run_is_skipped_with_a_reason(
    tmp_path: Path, name: str, text: str, reason: str
) -> None:
    (tmp_path / name).write_bytes(text.encode(errors="surrogateescape"))
    skipped = read_run(tmp_path)
    assert isinstance(skipped, Skipped)
    assert reason in skipped.reason


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["config.yaml", "status.json", "result.json", "environment.json"]),
    text=st.text(max_size=30)
    | st.recursive(
        st.none() | st.floats() | st.text(max_size=5),
        lambda x: st.dictionaries(st.sampled_from(["state", "heartbeat", "metrics", "a"]), x),
    ).map(json.dumps),
)
def test_no_content_is_fatal(tmp_path: Path, name: str, text: str) -> None:
    shutil.rmtree(tmp_path / "runs", ignore_errors=True)
    path = write_run(tmp_path / "runs", config_of(), state=State.RUNNING)
    (path / name).write_text(text, newline="")
    read_run(path)


def test_places_are_folders_of_runs_runs_and_patterns(tmp_path: Path) -> None:
    paths = [write_run(tmp_path / "a", config_of(q)) for q in ("ema", "fsq", "vq")]
    (tmp_path / "a" / "foreign").mkdir()
    (tmp_path / "a" / ".hidden").mkdir()
    (tmp_path / "a" / "multirun.yaml").touch()
    runs, skipped = read_runs([str(tmp_path / "a")])
    assert [run.folder.path for run in runs] == sorted(paths)
    assert [s.path.name for s in skipped] == ["foreign"]
    runs, skipped = read_runs([str(tmp_path / "a" / "ema*"), str(paths[2]), str(paths[2])])
    assert [run.folder.path for run in runs] == [paths[0], paths[2]]
    assert skipped == []
    assert read_runs([str(tmp_path / "nowhere")]) == ([], [])


def test_a_copy_is_no_second_seed(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", config_of(), state=State.FAILED)
    second = write_run(tmp_path / "b", config_of())
    runs, skipped = read_runs([str(tmp_path / "a"), str(tmp_path / "b")])
    assert [run.folder.path for run in runs] == [second]  # the one with a result
    assert [(s.path, s.reason) for s in skipped] == [(first, f"the same run as {second}")]
