"""Whatever ends a job early, it goes on where it was, to the bits of an undisturbed run."""

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.commands import status_of
from tests.slurm.cluster import Cluster, wait_until
from tests.slurm.sweeps import (
    assert_as_undisturbed,
    folders,
    job_of,
    start,
    step_of,
    sweep,
    wait_for_all,
    wait_for_step,
)

pytestmark = [pytest.mark.slurm, pytest.mark.slow]


def sessions(folder: Path) -> int:
    """How often a run was started."""
    return len(json.loads((folder / "environment.json").read_text())["sessions"])


def test_signalled_requeued_preempted_or_its_node_killed(accounted, tmp_path, undisturbed):
    """Each of four jobs on a node of its own meets one of them."""
    cluster: Cluster = accounted
    code, output = sweep(
        cluster, tmp_path, "seed=0,1,2,3", "hydra.launcher.cpus_per_task=4", pause=0.5
    )
    assert code == 0, output
    wait_until(lambda: len(folders(tmp_path)) == 4, seconds=120, what="four folders")
    found = folders(tmp_path)
    for folder in found.values():
        wait_for_step(folder, 4)
    jobs = {seed: job_of(folder) for seed, folder in found.items()}
    nodes = {job: node for job, (_, node) in cluster.jobs().items()}
    began = time.monotonic()
    cluster.slurm("scancel", "--signal=USR2", jobs[0])
    cluster.slurm("scontrol", "requeue", jobs[1])
    urgent = ("-p", "urgent", "-w", nodes[jobs[2]], "-c", "4", "-t", "1")
    cluster.slurm("sbatch", *urgent, "-o", "/dev/null", "--wrap", "sleep 2")
    killed = nodes[jobs[3]]
    cluster.kill_node(killed)
    _kill_job_processes(found[3])
    try:
        wait_for_all(tmp_path, range(4))
    finally:
        cluster.revive_node(killed)
    assert_as_undisturbed(found, undisturbed)
    assert {seed: sessions(folder) for seed, folder in found.items()} == dict.fromkeys(range(4), 2)
    assert {seed: job_of(folder) for seed, folder in found.items()} == jobs
    print(f"four ways out and back: {time.monotonic() - began:.0f} s")


def _kill_job_processes(folder: Path) -> None:
    """What a lost node takes with it."""
    os.kill(int(status_of(folder)["pid"]), signal.SIGKILL)


def test_two_timeouts_and_as_many_requeues(cluster, tmp_path, undisturbed):
    """A minute's limit for a run of two: Slurm's signal comes early, the run comes back twice."""
    limits = ("hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=10")
    recorded = ("logger=wandb", "logger.mode=offline")
    code, output = sweep(cluster, tmp_path, "seed=0", "wait=true", *limits, *recorded, pause=10)
    assert code == 0, output
    (folder,) = folders(tmp_path).values()
    assert_as_undisturbed({0: folder}, undisturbed)
    assert sessions(folder) >= 3
    starts = [path.name.rsplit("-", 1)[1] for path in folder.glob("wandb/offline-run-*")]
    assert len(starts) >= 3
    assert set(starts) == {folder.name.rsplit("-", 1)[1]}  # wandb's id is the run's signature


def test_the_end_of_patience_still_requeues(cluster, tmp_path, undisturbed):
    """A step longer than the grace: requeued without a new checkpoint, as often as is allowed."""
    patience = ("hydra.launcher.stop_seconds=2", "hydra.launcher.max_starts_in_vain=1")
    rarely = ("trainer.checkpoint_every=40", "trainer.log_every=1")
    process = start(cluster, tmp_path, "seed=0", "wait=true", *patience, *rarely, pause=20.0)
    wait_until(lambda: folders(tmp_path), seconds=120, what="a folder")
    (folder,) = folders(tmp_path).values()
    wait_until(lambda: status_of(folder)["state"] == "running", seconds=120, what="a start")
    process.kill()
    process.wait()
    _wait_for_a_long_step(folder)
    job = job_of(folder)
    cluster.slurm("scancel", "--signal=USR2", job)
    wait_until(
        lambda: cluster.jobs()[job][0] == "PENDING", seconds=30, what=f"requeue of job {job}"
    )
    wait_until(lambda: cluster.jobs()[job][0] == "FAILED", seconds=180, what=f"an end of job {job}")
    assert "after step 0: 1," in status_of(folder)["message"]


def _wait_for_a_long_step(folder: Path) -> None:
    """Until the log has lines and no new one for three seconds."""
    log, seen = folder / "metrics.jsonl", None

    def silent() -> bool:
        nonlocal seen
        before, seen = seen, log.read_text() if log.exists() else ""
        if seen and before != seen:
            time.sleep(3)
        return bool(seen) and before == seen

    wait_until(silent, seconds=120, what="step that takes its time")


def test_random_kills_and_requeues_lose_nothing(cluster, tmp_path, undisturbed):
    """Twenty of each, at any moment; a killed job needs the same command once more."""
    draw = random.Random(3)
    done = {"kill": 0, "requeue": 0}
    reached: dict[str, int] = {}
    began, rounds = time.monotonic(), 0
    for sweeps in range(1, 5):  # a machine that looks rarely may need more than one for them all
        place = tmp_path / str(sweeps)
        place.mkdir()
        code = None
        while code != 0:
            rounds += 1
            words = ("seed=range(0,8)", "wait=true", "retry=failed")
            process = start(cluster, place, *words, pause=0.3)
            while process.poll() is None:
                time.sleep(draw.random())
                _disturb(cluster, place, draw, done, reached)
            code, output = process.returncode, process.communicate()[0]
            assert code == 0 or time.monotonic() - began < 1200, output
        assert_as_undisturbed(folders(place), undisturbed)
        print(f"{done} in {rounds} rounds, {time.monotonic() - began:.0f} s")
        if min(done.values()) >= 20:
            return
    raise AssertionError(f"{done} in {sweeps} sweeps")


def _disturb(
    cluster: Cluster,
    cwd: Path,
    draw: random.Random,
    done: dict[str, int],
    reached: dict[str, int],
) -> None:
    """One kill -9 or one requeue of a run that is at work, until there were twenty of each."""
    wanted = [kind for kind, count in done.items() if count < 20]
    if not wanted:
        return
    running = [f for f in folders(cwd).values() if _is_at_work(f)]
    if not running:
        return
    folder, kind = draw.choice(running), draw.choice(wanted)
    # Mostly where work would be lost: at least one checkpoint further than the last time.
    if step_of(folder) <= reached.get(str(folder), 0) and draw.random() > 0.1:
        return
    if kind == "kill":
        os.kill(int(status_of(folder)["pid"]), signal.SIGKILL)
    else:
        job = job_of(folder)
        if cluster.jobs().get(job, ("",))[0] != "RUNNING":
            return
        cluster.slurm("scontrol", "requeue", job)
    done[kind] += 1
    reached[str(folder)] = step_of(folder)
    print(f"{kind} of {folder.name} at checkpoint {step_of(folder)}")


def _is_at_work(folder: Path) -> bool:
    if not (folder / "status.json").exists():
        return False
    status = status_of(folder)
    alive = Path(f"/proc/{status['pid']}").exists()
    return status["state"] == "running" and alive and status["job_id"] is not None
