"""The clusters, started by whichever test needs one first, and a sweep that nothing disturbed."""

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import ACCOUNTED, PLAIN, Cluster, missing
from tests.slurm.sweeps import end_commands, folders, sweep

_SEEDS = "seed=range(0,8)"


def _cluster(cluster: Cluster) -> Iterator[Cluster]:
    if reason := missing():
        pytest.skip(reason)
    cluster.up()
    yield cluster
    end_commands()
    cluster.empty()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster without accounting: what Slurm forgets, sacct does not know."""
    yield from _cluster(PLAIN)


@pytest.fixture
def accounted() -> Iterator[Cluster]:
    """A cluster with slurmdbd and its database."""
    yield from _cluster(ACCOUNTED)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[int, Path]:
    """The runs of eight seeds, one after another in one process, by their seed."""
    base = tmp_path_factory.getbasetemp()
    place = (base if worker_id == "master" else base.parent) / "undisturbed"
    place.mkdir(exist_ok=True)
    with (place / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / ".made").exists():
            code, output = sweep(PLAIN, place, _SEEDS, launcher=())
            assert code == 0, output
            (place / ".made").touch()
    return folders(place)
