"""How much memory this process may take for images."""

import os
from collections.abc import Mapping
from pathlib import Path

_GIB = 1 << 30


def memory_available(
    *,
    environment: Mapping[str, str] = os.environ,
    proc: Path = Path("/proc"),
    cgroups: Path = Path("/sys/fs/cgroup"),
) -> int | None:
    """Bytes that this rank can take: its share of what the machine and its cgroups leave.

    With other ranks beside it, of what they have at all: ranks come one after the other, and all
    must find the same, whatever the first have taken. None where the system does not say.
    """
    ranks = local_ranks(environment)
    machine = _of_machine(proc, "MemAvailable" if ranks == 1 else "MemTotal")
    if machine is None:
        return None
    limits = [machine, *_of_cgroups(proc, cgroups, whole=ranks > 1)]
    return max(0, min(limits)) // ranks


def local_ranks(environment: Mapping[str, str]) -> int:
    """Processes of this run on this machine."""
    if "LOCAL_WORLD_SIZE" in environment:
        return max(1, int(environment["LOCAL_WORLD_SIZE"]))
    if "SLURM_STEP_ID" in environment:
        tasks, nodes = (int(environment.get(f"SLURM_{n}", 1)) for n in ("NTASKS", "NNODES"))
        return max(1, -(-tasks // max(1, nodes)))
    return 1


def gib(amount: int) -> str:
    """`amount` bytes for messages."""
    return f"{amount / _GIB:.1f} GiB" if amount >= _GIB // 10 else f"{amount / (1 << 20):.1f} MiB"


def _of_machine(proc: Path, entry: str) -> int | None:
    try:
        lines = (proc / "meminfo").read_text().splitlines()
    except OSError:
        return None
    entries = dict(line.split(":", 1) for line in lines if ":" in line)
    return int(entries.get(entry, "0 kB").split()[0]) * 1024


def _of_cgroups(proc: Path, cgroups: Path, *, whole: bool) -> list[int]:
    """What the limit of each of this process's cgroups, of either version, leaves; or is."""
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return []
    left = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            names, top = ("memory.max", "memory.current", "inactive_file"), cgroups
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            top = cgroups / "memory"
        else:
            continue
        inner = top / path.strip("/")
        # In a container its own cgroup may be mounted as the top one.
        for folder in {top, *(p for p in (inner, *inner.parents) if p.is_relative_to(top))}:
            left += _left_in(folder, *names, whole=whole)
    return left


def _left_in(folder: Path, limit: str, usage: str, cached: str, *, whole: bool) -> list[int]:
    """The bytes below the limit of the cgroup `folder`, if it has one; `whole`: the limit."""
    try:
        most, used = int((folder / limit).read_text()), int((folder / usage).read_text())
        lines = (folder / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):  # no such cgroup, or "max"
        return []
    reclaimable = dict(line.split() for line in lines).get(cached, "0")
    return [most if whole else most - (used - int(reclaimable))]
