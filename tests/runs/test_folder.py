"""The run folder: done means result.json, the first error wins."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vqx.errors import VqxError
from vqx.runs.folder import RunFolder
from vqx.runs.status import State, Status


def test_done_means_a_result(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.read_result() is None
    assert folder.read_status() is None
    folder.write_status(Status(state=State.DONE))
    assert not folder.is_done
    folder.write_result({"metrics": {"psnr": {"value": 25.1}}})
    assert folder.is_done
    assert folder.read_result() == {"metrics": {"psnr": {"value": 25.1}}}


def test_status_comes_back(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    status = Status(state=State.RUNNING, step=3, steps=10, eta_seconds=7.5, message="evaluating")
    folder.write_status(status)
    assert folder.read_status() == status
    assert set(json.loads(folder.status.read_text())) == {
        *(
            "state",
            "host",
            "pid",
            "node",
            "job_id",
            "restarts",
            "started",
            "heartbeat",
            "step",
            "steps",
        ),
        *("eta_seconds", "images_per_second", "message"),
    }


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"state": "sleeping"}', "\udcff"])
def test_damage_is_named_with_the_remedy(tmp_path: Path, text: str) -> None:
    folder = RunFolder(tmp_path)
    folder.status.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(VqxError, match=r"status\.json is damaged .*delete it and run again"):
        folder.read_status()


def test_the_first_error_of_many_ranks_wins(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with ThreadPoolExecutor(8) as ranks:
        first = list(ranks.map(lambda rank: folder.write_error(f"rank {rank}"), range(32)))
    assert sum(first) == 1
    assert folder.error.read_text() == f"rank {first.index(True)}"
    folder.clear_error()
    folder.clear_error()
    assert folder.write_error("later session")
    assert folder.error.read_text() == "later session"
