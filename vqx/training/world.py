"""Which processes train together, and what each knows about the others.

A World is what the rest of the trainer knows about ranks; on one process every call is local.
"""

import os
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from vqx.errors import ConfigError, VqxError
from vqx.training.placement import Rank, rendezvous
from vqx.training.session import Session

# Ranks of several nodes start within this time of each other, or not at all.
JOIN_SECONDS = 300.0
_CONNECT_SECONDS, _PAUSE_SECONDS = 5.0, 0.1
# No step or evaluation leaves a rank waiting for so long.
_COLLECTIVE_TIMEOUT = timedelta(minutes=30)


@dataclass(slots=True)
class World:
    """The ranks of a run, this process's device, and a CPU group for control messages."""

    rank: int
    size: int
    device: torch.device
    _control: Any = field(default=None, repr=False)
    nodes: int = 1

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


def join(rank: Rank, *, device_name: str, session: Session | None = None) -> World:
    """Enter the process group (nccl on GPUs, gloo on CPUs) and choose this rank's device.

    Raises VqxError when not all ranks come, or another one of the `session` has failed.
    """
    pick_device(device_name, rank.local_size - 1)  # all ranks of a machine fail alike, at once
    device = pick_device(device_name, rank.local_rank)
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.cuda.reset_peak_memory_stats(device)
    if rank.size == 1:
        return World(0, 1, device)
    store: dist.Store | None = None  # torchrun has its own
    if rank.store is not None:
        store = dist.FileStore(rank.store, rank.size)
    elif session is not None:
        store = meet(rank, session)
    dist.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        store=store,
        rank=rank.rank,
        world_size=rank.size,
        timeout=_COLLECTIVE_TIMEOUT,
    )
    control = dist.new_group(backend="gloo") if device.type == "cuda" else None
    return World(rank.rank, rank.size, device, control, rank.nodes)


def meet(rank: Rank, session: Session) -> dist.Store:
    """The store on the first rank's host, once every rank has found it.

    Raises VqxError after JOIN_SECONDS, or as soon as a rank of the session has failed: a process
    group would wait half an hour for one that never comes.
    """
    address, port = rendezvous()
    end, reason = time.monotonic() + JOIN_SECONDS, ""
    while time.monotonic() < end:
        _stop_if_failed(session)
        try:
            return _met(
                rank,
                session,
                dist.TCPStore(
                    address,
                    port,
                    rank.size,
                    is_master=rank.rank == 0,
                    timeout=timedelta(seconds=_CONNECT_SECONDS),
                    wait_for_workers=False,
                ),
                end,
            )
        except RuntimeError as error:  # nobody there yet, or the former self of a requeued job
            reason = str(error).splitlines()[0]
            time.sleep(_PAUSE_SECONDS)
    raise VqxError(
        f"{rank.size} ranks did not meet at {address}:{port} within {JOIN_SECONDS:g} s ({reason}): "
        "see the logs of the other nodes, or set MASTER_ADDR and MASTER_PORT to a free port of the "
        "first node"
    )


def _met(rank: Rank, session: Session, server: dist.TCPStore, end: float) -> dist.Store:
    """`server` under the session's name, once all ranks are there."""
    store = dist.PrefixStore(session.name, server)
    store.add("joined", 1)
    while (joined := store.add("joined", 0)) < rank.size:
        _stop_if_failed(session)
        if time.monotonic() > end:
            raise RuntimeError(f"{joined} came")
        time.sleep(_PAUSE_SECONDS)
    store.set_timeout(_COLLECTIVE_TIMEOUT)
    return store


def _stop_if_failed(session: Session) -> None:
    if (reason := session.failure()) is not None:
        raise VqxError(f"another process of this run failed before all had joined: {reason}")


def share_cores(processes: int) -> None:
    """Give each of `processes` CPU ranks on this machine its share of the cores."""
    if processes > 1 and "OMP_NUM_THREADS" not in os.environ:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        torch.set_num_threads(max(1, (cores or 1) // processes))
