"""Recordings pushed once, to a server on this machine, by wandb's own command."""

import sys

import pytest

from tests.recorded import line, lines, recorded_run, started, without_login, write_lines
from tests.runs.synthetic import config_of, write_run
from tests.wandb_server import wandb_server
from vqx.errors import ConfigError, VqxError
from vqx.reporting.wandb_recordings import has_begun, recordings
from vqx.reporting.wandb_sync import sync
from vqx.runs.reading import Run, read_run
from vqx.runs.status import State
from vqx.tracking.wandb_logger import UNSENT, summary_of

pytest.importorskip("wandb", reason="pip install 'vqx[wandb]'")


@pytest.fixture(autouse=True)
def _no_login(monkeypatch, tmp_path):
    without_login(monkeypatch, tmp_path)


@pytest.fixture
def server(monkeypatch):
    """A server that wandb uses and has a login for; the recordings are made before."""
    import wandb

    with wandb_server() as served:
        for name, value in served.environment.items():
            monkeypatch.setenv(name, value)
        wandb.teardown()  # it reads its settings once
        yield served
    wandb.teardown()


def runs_in(*folders) -> list[Run]:
    """The runs in `folders`."""
    runs = [read_run(folder) for folder in folders]
    assert all(isinstance(run, Run) for run in runs)
    return runs


def places(run) -> list[int]:
    """Where the rows of a served run are."""
    return [row["_step"] for row in run.history]


def identity(folder) -> str:
    """W&B's id of the run in `folder`."""
    return folder.name.rpartition("-")[2]


@pytest.mark.slow
def test_a_run_is_pushed_once_and_is_what_its_folder_says(server, tmp_path):
    folder = recorded_run(tmp_path / "runs")
    (run,), shown = runs_in(folder), []
    sync([run], show=shown.append)
    sync([run], show=shown.append)
    served = server.runs[identity(folder)]
    assert (served.pushes, served.exit_code) == (1, 0)
    assert places(served) == [2, 3, 4, 5, 6, 7, 1602]
    assert served.summary.items() >= summary_of(run.result).items()
    assert len([name for name in served.files if name.startswith("media/images")]) == 3
    assert shown == [
        f"pushed {folder}",
        f"W&B: pushed 1 run to {server.url}",
        "W&B: nothing to push",
    ]


@pytest.mark.slow
def test_several_sessions_end_as_one_run(server, tmp_path):
    """Interrupted, tried in vain, done: the server sees every line once."""
    folder = recorded_run(tmp_path / "runs", state=State.INTERRUPTED)
    write_lines(folder, lines(2))
    started(folder).finish(state=State.FAILED, exit_code=1)
    done = write_run(tmp_path / "other", config_of())
    for name in ("result.json", "status.json"):
        (done / name).rename(folder / name)
    logger = started(folder)
    for record in lines(4)[4:]:
        logger.line(record)
    logger.finish(state=State.DONE, exit_code=0)
    write_lines(folder, lines(4))
    sync(runs_in(folder), show=print)
    (served,) = server.runs.values()
    assert places(served) == [2, 3, 4, 5, 6, 7, 8, 9, 1602]
    assert (served.exit_code, served.summary["state"], served.pushes) == (0, "done", 1)


@pytest.mark.slow
def test_a_refused_run_is_named_and_the_rest_pushed(server, tmp_path):
    folders = [recorded_run(tmp_path / "runs", seed=seed) for seed in range(2)]
    server.refused = {identity(folders[0])}
    reason = rf"1 run not pushed: {folders[0].name} \(.*permission denied"
    with pytest.raises(VqxError, match=reason):
        sync(runs_in(*folders), show=print)
    assert set(server.runs) == {identity(folders[1])}
    assert has_begun(folders[0])  # W&B may have a part of it
    server.refused = set()
    sync(runs_in(*folders), show=print)
    assert [run.pushes for run in server.runs.values()] == [1, 1]


@pytest.mark.slow
def test_a_retried_run_replaces_its_failure(server, tmp_path):
    folder = recorded_run(tmp_path / "runs", state=State.FAILED)
    sync(runs_in(folder), show=print)
    served = server.runs[identity(folder)]
    assert (served.exit_code, served.summary["state"]) == (1, "failed")
    logger = started(folder)
    logger.line(line(4))
    logger.finish(state=State.FAILED, exit_code=1)
    write_lines(folder, [*lines(3), line(4)])
    sync(runs_in(folder), show=print)
    assert places(served) == [2, 3, 4, 5, 6, 7, 8]
    assert served.pushes == 2


@pytest.mark.slow
@pytest.mark.parametrize("kept", [0, 0.5])
def test_what_wandb_lost_is_made_anew(server, tmp_path, kept):
    """A recording that a full disk or a kill tore: all of it is in the run folder."""
    folder = recorded_run(tmp_path / "runs")
    (torn,) = recordings(folder)
    data = torn.file.read_bytes()
    torn.file.write_bytes(data[: int(kept * len(data))])
    sync(runs_in(folder), show=print)
    (served,) = server.runs.values()
    assert places(served) == [2, 3, 4, 5, 6, 7, 1602]
    assert (served.exit_code, served.summary["state"]) == (0, "done")


@pytest.mark.slow
def test_a_run_online_is_pushed_only_if_its_server_went_away(server, tmp_path):
    folder = recorded_run(tmp_path / "runs", mode="online")
    sync(runs_in(folder), show=print)
    served = server.runs[identity(folder)]
    assert served.pushes == 1
    del served.history[4:]
    served.summary["_step"] = 5
    (folder / "wandb" / UNSENT).write_text('{"project": "vqx", "entity": null, "group": "sizes"}')
    sync(runs_in(folder), show=print)
    sync(runs_in(folder), show=print)
    assert places(served) == [2, 3, 4, 5, 6, 7, 1602]
    assert (served.pushes, served.group) == (2, "sizes")


def test_unfinished_runs_are_not_pushed(tmp_path):
    folder = recorded_run(tmp_path / "runs", state=State.INTERRUPTED)
    bare = write_run(tmp_path / "runs", config_of(seed=5))
    shown: list[str] = []
    sync(runs_in(folder, bare), show=shown.append)  # without a server: nothing is asked of it
    assert shown == ["W&B: nothing to push; 1 not finished, so not pushed"]


def test_without_login_or_network_nothing_is_tried(tmp_path, monkeypatch):
    folder = recorded_run(tmp_path / "runs")
    with pytest.raises(VqxError, match=r"none of 1 run pushed: there is no login: run `wandb lo"):
        sync(runs_in(folder), show=print)
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    monkeypatch.setattr("vqx.tracking.wandb_server.server_url", lambda: "http://127.0.0.1:9")
    with pytest.raises(VqxError, match=r"http://127.0.0.1:9 cannot be reached"):
        sync(runs_in(folder), show=print)


def test_without_the_package_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match=r"pip install 'vqx\[wandb\]'"):
        sync([], show=print)
