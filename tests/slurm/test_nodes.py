"""Two nodes with two ranks each: one task a node, and any failure ends the job everywhere."""

import re
import subprocess
import time

import pytest

from tests.commands import result_of, status_of
from tests.slurm.cluster import wait_until
from tests.slurm.sweeps import folders, start, sweep

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

NODES = ("hydra.launcher.nodes=2", "trainer.devices=4")


def test_four_ranks_on_two_nodes_give_the_numbers_of_one(cluster, tmp_path, undisturbed):
    code, output = sweep(cluster, tmp_path, "seed=0", "wait=true", *NODES)
    assert code == 0, output
    (folder,) = folders(tmp_path).values()
    assert len(re.findall(r"n\d", str(cluster.jobs()))) >= 1
    ours, one = (result_of(f)["metrics"] for f in (folder, undisturbed[0]))
    for name in ("psnr", "l1", "usage"):
        assert ours[name]["value"] == pytest.approx(one[name]["value"], rel=1e-3), name
    assert result_of(folder)["cost"]["devices"] == 4


@pytest.mark.parametrize("rank", [0, 3])
def test_a_failing_rank_ends_all_ranks_in_seconds(cluster, tmp_path, rank):
    rows = f'hydra.sweeper.rows=["seed=0 +quantizer.fail_at=25 +quantizer.fail_rank={rank}"]'
    process = start(cluster, tmp_path, rows, "wait=true", *NODES, pause=0.05)
    error = None

    def failed() -> bool:
        nonlocal error
        error = next(iter(tmp_path.glob("results/runs/*/error.txt")), None)
        return error is not None

    wait_until(failed, seconds=180, what="an error.txt")
    began = time.monotonic()
    wait_until(lambda: not cluster.live(), seconds=60, what="an end of the job")
    assert time.monotonic() - began < 40  # gloo alone would wait for half an hour
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1, output
    assert error is not None
    assert f"a fault planted on rank {rank}" in error.read_text()
    assert status_of(error.parent)["state"] in ("failed", "running")  # killed with its writer
    assert {state for state, _ in cluster.jobs().values()} >= {"FAILED"}
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True)
    assert left.stdout == "", left.stdout
    assert f"a fault planted on rank {rank}" in "".join(
        path.read_text() for path in (tmp_path / "results/runs/.submitit").rglob("*_log.*")
    )
