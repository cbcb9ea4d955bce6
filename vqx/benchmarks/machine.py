"""The machine's memory, as Linux tells it."""

from collections.abc import Iterator
from pathlib import Path

_KIB = 1024
_GROUP = Path("/sys/fs/cgroup")
_LIMITS = (  # and use, of control groups of version 2 and 1
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)


def available_memory() -> int:
    """Bytes that can be taken without swapping, in the machine and in its control group."""
    return min(_field("/proc/meminfo", "MemAvailable"), *_group_room())


def address_space() -> int:
    """Bytes of this process's address space."""
    return _field("/proc/self/status", "VmSize")


def _field(path: str, name: str) -> int:
    lines = Path(path).read_text().splitlines()
    text = next(line.split(":", 1)[1] for line in lines if line.startswith(f"{name}:"))
    return int(text.split()[0]) * _KIB


def _group_room() -> Iterator[int]:
    yield 1 << 62  # without a limit
    for limit, used in _LIMITS:
        if (_GROUP / limit).is_file() and (text := (_GROUP / limit).read_text().strip()) != "max":
            yield max(int(text) - int((_GROUP / used).read_text()), 0)
