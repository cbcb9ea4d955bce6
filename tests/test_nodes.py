"""Runs on several nodes, one task a node: Slurm's variables are set by hand, the nodes are here."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.commands import TINY, command, environment, only_run, result_of, status_of
from tests.test_ranks import EMA, ROOT, _children, alone, assert_same_numbers  # noqa: F401
from tests.test_resume import wait_for_step
from vqx.runs.lock import RunLock

ENDLESS = (*EMA, "trainer.steps=100000", "trainer.checkpoint_every=2", "trainer.devices=4")
pytestmark = [pytest.mark.slow, pytest.mark.long]
_jobs = iter(range(os.getpid() * 10 % 20000, 10**6))


def start_nodes(place: Path, *arguments: str, **extra: str) -> list[subprocess.Popen[str]]:
    """`srun --nodes=2 --ntasks=2 python -m vqx.train ARGUMENTS`, a process a node."""
    job = str(next(_jobs))
    return [
        subprocess.Popen(
            command("vqx.train", *arguments),
            cwd=place,
            env=environment(
                SLURM_JOB_ID=job,
                SLURM_STEP_ID="0",
                SLURM_NTASKS="2",
                SLURM_NNODES="2",
                SLURM_PROCID=str(number),
                SLURM_JOB_NODELIST="127.0.0.1",
                PYTHONPATH=ROOT,
                **extra,
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(2)
    ]


def ends(nodes: Sequence[subprocess.Popen[str]], *, within: float = 90) -> list[tuple[int, str]]:
    """Exit code and output of each."""
    end = time.monotonic() + within
    try:
        outputs = [node.communicate(timeout=end - time.monotonic())[0] for node in nodes]
    finally:
        for node in nodes:
            node.kill()
    return [(node.returncode, output) for node, output in zip(nodes, outputs, strict=True)]


def test_two_nodes_of_two_ranks_give_the_same_run(alone, tmp_path):  # noqa: F811
    found = ends(start_nodes(tmp_path, *EMA, "trainer.devices=4"))
    assert [code for code, _ in found] == [0, 0], found
    ours = only_run(tmp_path / "results")
    assert_same_numbers(ours, alone)
    cost = result_of(ours)["cost"]
    assert (cost["devices"], cost["nodes"]) == (4, 2)
    assert '"nodes": 2' in (ours / "environment.json").read_text()
    assert sum(output.count("PSNR of the set") for _, output in found) == 1


@pytest.mark.parametrize("rank", [1, 3])
def test_a_rank_that_fails_on_any_node_ends_all(rank, tmp_path):
    target = "quantizer._target_=tests.broken_quantizers.FailsOnOneRank"
    arguments = (*TINY, "trainer.device=cpu", "trainer.devices=4", target)
    found = ends(start_nodes(tmp_path, *arguments, VQX_FAILING_RANK=str(rank)))
    assert [code for code, _ in found] == [1, 1], found
    assert f"planted on rank {rank}" in found[rank // 2][1]
    assert "Traceback" in found[rank // 2][1]
    folder = only_run(tmp_path / "results")
    assert (folder / "error.txt").read_text().startswith(f"rank {rank}\n")
    status = status_of(folder)
    assert (status["state"], f"planted on rank {rank}" in status["message"]) == ("failed", True)


def test_a_killed_rank_ends_all_within_seconds_and_is_named(tmp_path):
    nodes = start_nodes(tmp_path, *ENDLESS)
    wait_for_step(nodes[0], tmp_path / "results", 2)
    ranks = [child for child in _children(nodes[1].pid) if _is_rank(child)]
    os.kill(ranks[1], signal.SIGKILL)
    found = ends(nodes, within=20)
    assert [code for code, _ in found] == [1, 1], found
    folder = only_run(tmp_path / "results")
    assert "rank 3 was ended by signal 9" in found[1][1]
    assert (folder / "error.txt").read_text().startswith("rank 3 was ended by signal 9")
    assert status_of(folder)["state"] == "failed"


def test_a_signal_to_one_node_saves_and_stops_all(tmp_path):
    nodes = start_nodes(tmp_path, *ENDLESS)
    wait_for_step(nodes[0], tmp_path / "results", 2)
    nodes[1].send_signal(signal.SIGTERM)
    found = ends(nodes, within=30)
    assert [code for code, _ in found] == [143, 143], found
    status = status_of(only_run(tmp_path / "results"))
    assert status["state"] == "interrupted"
    assert "state saved" in status["message"]


def test_ranks_do_not_wait_for_a_first_one_that_never_joins(tmp_path):
    config = ends(start_nodes(tmp_path, *EMA, "trainer.devices=3"))
    assert [code for code, _ in config] == [1, 1]
    assert all(
        "trainer.devices=3 does not go with 2 Slurm tasks on 2 nodes" in o for _, o in config
    )
    first = subprocess.run(
        command("vqx.train", *EMA, "trainer.steps=1", "trainer.evaluate_every=null"),
        cwd=tmp_path,
        env=environment(),
        check=True,
        capture_output=True,
    )
    assert first.returncode == 0
    folder = only_run(tmp_path / "results")
    (folder / "result.json").unlink()
    with RunLock(folder):
        short = ("trainer.steps=1", "trainer.evaluate_every=null")
        found = ends(start_nodes(tmp_path, *EMA, *short), within=40)
    assert [code for code, _ in found] == [1, 1], found
    assert "is held by pid" in found[0][1]
    assert "another process of this run failed before all had joined" in found[1][1]


def _is_rank(pid: int) -> bool:
    return "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()
