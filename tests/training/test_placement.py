"""Ranks from torchrun's and Slurm's variables, and where they meet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vqx.errors import ConfigError
from vqx.training.placement import Node, Rank, first_node, placement, rendezvous


def slurm(*, tasks: int, nodes: int, number: int = 0, **more: str) -> dict[str, str]:
    return {
        "SLURM_STEP_ID": "0",
        "SLURM_NTASKS": str(tasks),
        "SLURM_NNODES": str(nodes),
        "SLURM_PROCID": str(number),
        "SLURM_LOCALID": str(number % (tasks // nodes)),
        **more,
    }


def test_alone_and_spawning() -> None:
    assert placement(1, {}) == Rank()
    assert placement(3, {}) == Node(0, 1, 3)
    assert placement(2, {"SLURM_NTASKS": "2"}) == Node(0, 1, 2)  # sbatch alone, outside srun
    assert placement(2, slurm(tasks=1, nodes=1)) == Node(0, 1, 2)  # the one task of a submitit job


def test_torchrun_variables_are_read() -> None:
    environment = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
    assert placement(1, environment) == Rank(3, 4, 1, 2, nodes=2)


@pytest.mark.parametrize("devices", [1, 4])
def test_a_task_a_device_is_a_rank(devices: int) -> None:
    found = placement(devices, slurm(tasks=4, nodes=2, number=3))
    assert found == Rank(3, 4, 1, 2, nodes=2)


@given(nodes=st.integers(2, 9), local=st.integers(2, 9))
def test_a_task_a_node_starts_its_share_of_the_ranks(nodes: int, local: int) -> None:
    devices = nodes * local
    found = [placement(devices, slurm(tasks=nodes, nodes=nodes, number=n)) for n in range(nodes)]
    ranks = [rank for node in found if isinstance(node, Node) for rank in node.ranks(store=None)]
    assert [rank.rank for rank in ranks] == list(range(devices))
    assert [rank.local_rank for rank in ranks] == [*range(local)] * nodes
    assert {(rank.size, rank.local_size, rank.nodes) for rank in ranks} == {(devices, local, nodes)}


@pytest.mark.parametrize(("devices", "tasks", "nodes"), [(3, 2, 2), (8, 4, 2), (6, 4, 4)])
def test_what_does_not_go_together_is_said_with_numbers(
    devices: int, tasks: int, nodes: int
) -> None:
    with pytest.raises(
        ConfigError, match=rf"trainer.devices={devices} does .* {tasks} Slurm tasks on {nodes} nod"
    ):
        placement(devices, slurm(tasks=tasks, nodes=nodes))


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("node-7", "node-7"),
        ("", "127.0.0.1"),
        ("a,b", "a"),
        ("n[007,9-12]", "n007"),
        ("n[9-12],m", "n9"),
        ("rack[1-2]n[3,4].x,login", "rack1n3.x"),
    ],
)
def test_the_first_node_of_a_list(nodes: str, first: str) -> None:
    assert first_node(nodes) == first


def test_two_jobs_on_a_node_do_not_meet() -> None:
    jobs = [{"SLURM_JOB_ID": str(job), "SLURM_JOB_NODELIST": "n[1-2]"} for job in (7, 8)]
    assert [rendezvous(job) for job in jobs] == [("n1", 20007), ("n1", 20008)]
    assert rendezvous({**jobs[0], "MASTER_ADDR": "h", "MASTER_PORT": "5"}) == ("h", 5)
