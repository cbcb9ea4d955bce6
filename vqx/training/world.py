"""Which processes train together: found from torchrun's or SLURM's variables, or spawned here.

A World is what the rest of the trainer knows about ranks; on one process every call is local.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from vqx.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Rank:
    """One process's place among `size` ranks, and how the ranks find each other."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1  # ranks on this machine
    store: str | None = None  # a FileStore's path; None: MASTER_ADDR and MASTER_PORT


@dataclass(slots=True)
class World:
    """The ranks of a run, this process's device, and a CPU group for control messages."""

    rank: int
    size: int
    device: torch.device
    _control: Any = field(default=None, repr=False)

    @property
    def is_first(self) -> bool:
        """Whether this rank writes the run folder."""
        return self.rank == 0

    def agree(self, value: int) -> int:
        """The largest `value` of any rank, on every rank; no device is waited for."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.int64)
        dist.all_reduce(shared, op=dist.ReduceOp.MAX, group=self._control)
        return int(shared)

    def union(self, names: list[str]) -> list[str]:
        """The names that any rank has, sorted, on every rank."""
        if self.size == 1:
            return sorted(names)
        gathered: list[list[str]] = [[] for _ in range(self.size)]
        dist.all_gather_object(gathered, names, group=self._control)
        return sorted({name for some in gathered for name in some})

    def barrier(self) -> None:
        """Wait for all ranks."""
        self.agree(0)

    def close(self) -> None:
        """Leave the process group."""
        if self.size > 1 and dist.is_initialized():
            dist.destroy_process_group()


def rank_from_environment(environment: Mapping[str, str] = os.environ) -> Rank | None:
    """This process's rank as torchrun or a multi-task `srun` set it; None if neither did."""
    if "TORCHELASTIC_RUN_ID" in environment or {"RANK", "WORLD_SIZE"} <= environment.keys():
        return Rank(
            rank=int(environment["RANK"]),
            size=int(environment["WORLD_SIZE"]),
            local_rank=int(environment.get("LOCAL_RANK", 0)),
            local_size=int(environment.get("LOCAL_WORLD_SIZE", 1)),
        )
    if int(environment.get("SLURM_NTASKS", 1)) > 1 and "SLURM_STEP_ID" in environment:
        return Rank(
            rank=int(environment["SLURM_PROCID"]),
            size=int(environment["SLURM_NTASKS"]),
            local_rank=int(environment.get("SLURM_LOCALID", 0)),
            local_size=int(environment.get("SLURM_NTASKS_PER_NODE", 1)),
        )
    return None


def set_slurm_rendezvous(environment: Mapping[str, str] = os.environ) -> None:
    """Fill MASTER_ADDR and MASTER_PORT from SLURM's variables, where nothing has set them.

    The address is the first node of the job's list; the port follows from the job id, so that
    two jobs on one node do not meet.
    """
    os.environ.setdefault("MASTER_ADDR", _first_node(environment.get("SLURM_JOB_NODELIST", "")))
    job = int(environment.get("SLURM_JOB_ID", 0))
    os.environ.setdefault("MASTER_PORT", str(20000 + job % 20000))


def _first_node(node_list: str) -> str:
    if not node_list:
        return "127.0.0.1"
    if re.fullmatch(r"[\w.-]+", node_list):
        return node_list
    command = ["scontrol", "show", "hostnames", node_list]
    try:
        output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(
            f"cannot expand SLURM's node list '{node_list}' ({error}): set MASTER_ADDR"
        ) from error
    return output.stdout.split()[0]


def pick_device(name: str, local_rank: int) -> torch.device:
    """`name` auto | cpu | cuda as this rank's device. Raises ConfigError for a missing GPU."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name == "auto" and count == 0):
        return torch.device("cpu")
    if local_rank >= count:
        raise ConfigError(
            f"no GPU for local rank {local_rank}: {count} visible; lower trainer.devices or use "
            "trainer.device=cpu"
        )
    return torch.device("cuda", local_rank)


def join(rank: Rank, *, device_name: str) -> World:
    """Enter the process group (nccl on GPUs, gloo on CPUs) and choose this rank's device."""
    device = pick_device(device_name, rank.local_rank)
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.cuda.reset_peak_memory_stats(device)
    if rank.size == 1:
        return World(0, 1, device)
    if rank.store is None and "SLURM_STEP_ID" in os.environ:
        set_slurm_rendezvous()
    dist.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        store=dist.FileStore(rank.store, rank.size) if rank.store else None,
        rank=rank.rank,
        world_size=rank.size,
        timeout=timedelta(minutes=30),
    )
    control = dist.new_group(backend="gloo") if device.type == "cuda" else None
    return World(rank.rank, rank.size, device, control)


def share_cores(processes: int) -> None:
    """Give each of `processes` CPU ranks on this machine its share of the cores."""
    if processes > 1 and "OMP_NUM_THREADS" not in os.environ:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        torch.set_num_threads(max(1, (cores or 1) // processes))
