"""Which ranks a process is, or starts: from torchrun's or Slurm's variables, or trainer.devices.

Light: a process that only starts ranks needs no torch.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from vqx.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Rank:
    """One process's place among `size` ranks, and how the ranks find each other."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1  # ranks on this machine
    store: str | None = None  # a FileStore's path; None: MASTER_ADDR and MASTER_PORT
    nodes: int = 1


@dataclass(frozen=True, slots=True)
class Node:
    """One of `nodes` processes, one a machine, that each start `local` of `devices` ranks."""

    node: int
    nodes: int
    devices: int

    @property
    def local(self) -> int:
        """Ranks on each node."""
        return self.devices // self.nodes

    def ranks(self, *, store: Path | None) -> list[Rank]:
        """This node's ranks, numbered on from those of the nodes before."""
        path = None if store is None else str(store)
        first = Rank(0, self.devices, 0, self.local, path, self.nodes)
        start = self.node * self.local
        return [replace(first, rank=start + i, local_rank=i) for i in range(self.local)]


def placement(devices: int, environment: Mapping[str, str] = os.environ) -> Rank | Node:
    """What this process is in a run with `trainer.devices=devices`.

    Raises ConfigError when Slurm's tasks and the devices do not go together.
    """
    if (rank := rank_from_torchrun(environment)) is not None:
        return rank
    tasks = int(environment.get("SLURM_NTASKS", 1))
    if tasks > 1 and "SLURM_STEP_ID" in environment:
        return _task(devices, tasks, environment)
    return Rank() if devices == 1 else Node(0, 1, devices)


def rank_from_torchrun(environment: Mapping[str, str] = os.environ) -> Rank | None:
    """This process's rank as torchrun set it, None if it did not."""
    if "TORCHELASTIC_RUN_ID" not in environment and not {"RANK", "WORLD_SIZE"} <= {*environment}:
        return None
    size, local = int(environment["WORLD_SIZE"]), int(environment.get("LOCAL_WORLD_SIZE", 1))
    return Rank(
        rank=int(environment["RANK"]),
        size=size,
        local_rank=int(environment.get("LOCAL_RANK", 0)),
        local_size=local,
        nodes=max(1, size // local) if "LOCAL_WORLD_SIZE" in environment else 1,
    )


def _task(devices: int, tasks: int, environment: Mapping[str, str]) -> Rank | Node:
    """One of several tasks of a Slurm step: a rank, or a node that starts ranks."""
    nodes = _nodes(environment)
    number = int(environment["SLURM_PROCID"])
    if devices in (1, tasks):
        return Rank(
            rank=number,
            size=tasks,
            local_rank=int(environment.get("SLURM_LOCALID", 0)),
            local_size=int(environment.get("SLURM_NTASKS_PER_NODE", 0)) or max(1, tasks // nodes),
            nodes=nodes,
        )
    if tasks == nodes and devices % nodes == 0:
        return Node(number, nodes, devices)
    raise ConfigError(
        f"trainer.devices={devices} does not go with {tasks} Slurm tasks on {nodes} nodes: start "
        f"one task a node (--ntasks-per-node=1) and make devices a multiple of the nodes, as "
        f"{nodes} x {max(1, round(devices / nodes))} = {nodes * max(1, round(devices / nodes))}, "
        f"or one task a device (--ntasks={devices})"
    )


def _nodes(environment: Mapping[str, str]) -> int:
    """Nodes of this step, or of its job."""
    for name in ("SLURM_STEP_NUM_NODES", "SLURM_NNODES", "SLURM_JOB_NUM_NODES"):
        if name in environment:
            return int(environment[name])
    return 1


def rendezvous(environment: Mapping[str, str] = os.environ) -> tuple[str, int]:
    """Address and port where a Slurm step's ranks meet: MASTER_ADDR and MASTER_PORT where set.

    Else the first node of the job's list, and a port from the job id, so that two jobs on one node
    do not meet.
    """
    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST", "")
    address = environment.get("MASTER_ADDR") or first_node(nodes)
    job = int(environment.get("SLURM_JOB_ID", 0))
    return address, int(environment.get("MASTER_PORT") or 20000 + job % 20000)


def first_node(nodes: str) -> str:
    """First name of a node list in Slurm's notation, like rack[1-2]n[007,9-12],login3."""
    first = re.match(r"(?:[^,\[]|\[[^\]]*\])*", nodes)
    assert first is not None  # it matches the empty string
    return re.sub(r"\[([^\],-]*)[^\]]*\]", r"\1", first[0]) or "127.0.0.1"
