"""Who owns a run folder, on file systems too whose locks do not reach other hosts.

`claims/<n>` names the n-th process that took the folder: made exclusively, touched while that
process lives, marked by `claims/<n>.released` when it leaves. The newest claim counts; one that was
neither released nor touched for STALE_SECONDS is of a process or host that is gone. A claim also
gives the right to write: an owner that slept through a take-over finds a newer claim and stops.
"""

import json
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from vqx.errors import RunLocked, TakenOver
from vqx.runs.durations import duration
from vqx.runs.files import space_for
from vqx.runs.scheduler import job_id, node, restarts
from vqx.runs.status import now_iso

STALE_SECONDS = 120.0  # twelve missed heartbeats
# A starter that was slow to read the list must not find the number it wants free again.
_KEPT = 4


def _host() -> str:
    return socket.gethostname()


def _boot() -> str:
    """This boot of this kernel, "" where the system does not tell."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A process that took a run folder; job, node and restart count are Slurm's."""

    host: str = field(default_factory=_host)
    boot: str = field(default_factory=_boot)
    node: str | None = field(default_factory=node)
    pid: int = field(default_factory=os.getpid)
    job_id: str | None = field(default_factory=job_id)
    cluster: str | None = field(default_factory=lambda: os.environ.get("SLURM_CLUSTER_NAME"))
    restarts: int = field(default_factory=restarts)
    started: str = field(default_factory=now_iso)

    def __str__(self) -> str:
        place = (
            f"{self.host} (node {self.node})" if self.node not in (None, self.host) else self.host
        )
        job = f" (SLURM job {self.job_id})" if self.job_id else ""
        return f"pid {self.pid} on host {place}{job} since {self.started}"

    def shares_locks_with(self, other: "Owner") -> bool:
        """Whether both run under one kernel, whose file locks tell each about the other."""
        return (self.host, self.boot) == (other.host, other.boot)

    def is_requeued(self, other: "Owner") -> bool:
        """Whether this is `other`'s own job, started again by Slurm, which ended the old one."""
        same = self.job_id is not None and self.job_id == other.job_id
        return same and self.cluster == other.cluster and self.restarts > other.restarts


@dataclass(frozen=True, slots=True)
class Claim:
    """The `number`-th taking of a run folder."""

    folder: Path
    number: int

    @property
    def path(self) -> Path:
        """The file that stands for it."""
        return self.folder / "claims" / str(self.number)

    def check(self) -> None:
        """Raise TakenOver if a newer claim was made, or this one was removed with its folder."""
        numbers, _ = _listed(self.folder)
        if self.number not in numbers or max(numbers) > self.number:
            raise TakenOver(
                f"run {self.folder} was taken over by {_described(self.folder)} while this process "
                "was silent: it stops here and writes nothing more"
            )

    def touch(self) -> None:
        """Say that its process lives. Raises TakenOver if the folder is not its any more."""
        self.check()
        with suppress(FileNotFoundError):  # taken over and cleaned up since: the next check tells
            os.utime(self.path)  # without times: the file server's clock

    def release(self) -> None:
        """Let the next process take the folder at once."""
        with suppress(OSError):  # a full or lost disk: the next one has to wait a little
            self.path.with_suffix(".released").touch()


@dataclass(frozen=True, slots=True)
class Found:
    """The newest claim of a folder as read; `owner` is None while its file is not written yet."""

    number: int
    owner: Owner | None
    released: bool
    touched: float  # by the file server's clock


def newest_claim(folder: Path) -> Found | None:
    """The claim of run `folder` that counts, None before the first. Writes nothing."""
    numbers, released = _listed(folder)
    if not numbers:
        return None
    number = max(numbers)
    path = Claim(folder, number).path
    try:
        with path.open("rb") as file:
            record, touched = file.read(), os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:  # cleaned up since the listing: there is a newer one
        return Found(number, None, released=False, touched=time.time())
    return Found(number, _owner(record), number in released, touched)


def owner(folder: Path) -> Owner | None:
    """Who took run `folder` last and has not given it back, dead or alive; None if nobody."""
    found = newest_claim(folder)
    return None if found is None or found.released else found.owner


def claim(folder: Path) -> Claim:
    """Take run `folder`; the caller holds its lock, as far as that reaches.

    Raises RunLocked if its owner may be alive, or another process was faster.
    """
    (folder / "claims").mkdir(exist_ok=True)
    found, me = newest_claim(folder), Owner()
    if found is not None and not _is_over(found, me):
        silence = _server_time(folder) - found.touched
        if silence < STALE_SECONDS:
            left = duration(max(1.0, STALE_SECONDS - silence))
            raise RunLocked(
                f"run {folder} is held by {found.owner or 'another process'}, last heard of "
                f"{duration(silence)} ago: wait for it or stop it; if it is dead, the run can be "
                f"taken over in {left}"
            )
    mine = Claim(folder, 1 if found is None else found.number + 1)
    _create(mine, me)
    _clean_up(mine)
    return mine


def may_live(folder: Path, found: Found) -> bool:
    """Whether the owner of `found` may still be alive, as far as this process can tell."""
    return not _is_over(found, Owner()) and _server_time(folder) - found.touched < STALE_SECONDS


def _is_over(found: Found, me: Owner) -> bool:
    """Whether its process has left or is known to be dead."""
    if found.released:
        return True
    them = found.owner
    return them is not None and (me.shares_locks_with(them) or me.is_requeued(them))


def _create(mine: Claim, me: Owner) -> None:
    lost = RunLocked(f"run {mine.folder} was taken by another process at this moment: wait for it")
    try:
        descriptor = os.open(mine.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        raise lost from None
    with space_for(mine.path), os.fdopen(descriptor, "wb") as file:
        file.write(json.dumps(asdict(me)).encode())
    try:
        mine.check()  # others may have claimed, left and cleaned up since the list was read
    except TakenOver:
        mine.release()
        raise lost from None


def _clean_up(mine: Claim) -> None:
    numbers, _ = _listed(mine.folder)
    for number in numbers:
        if number <= mine.number - _KEPT:
            path = Claim(mine.folder, number).path
            path.unlink(missing_ok=True)
            path.with_suffix(".released").unlink(missing_ok=True)


def _listed(folder: Path) -> tuple[set[int], set[int]]:
    """The numbers of all claims of `folder`, and those of the released ones."""
    try:
        names = os.listdir(folder / "claims")
    except FileNotFoundError:
        return set(), set()
    released = {name.removesuffix(".released") for name in names if name.endswith(".released")}
    return {int(n) for n in names if n.isdecimal()}, {int(n) for n in released if n.isdecimal()}


def _server_time(folder: Path) -> float:
    """Now by the clock of the file system that holds `folder`: hosts' own clocks differ."""
    probe = folder / "claims" / f".now-{_host()}-{os.getpid()}.tmp"
    with space_for(probe), probe.open("wb") as file:
        file.write(b"x")
        file.flush()
        now = os.fstat(file.fileno()).st_mtime
    probe.unlink(missing_ok=True)
    return now


def _owner(record: bytes) -> Owner | None:
    known = {f.name for f in fields(Owner)}
    try:
        values: Mapping[str, Any] = json.loads(record)
        return Owner(**{key: value for key, value in values.items() if key in known})
    except (ValueError, TypeError, AttributeError):
        return None


def _described(folder: Path) -> str:
    found = newest_claim(folder)
    return "another process" if found is None or found.owner is None else str(found.owner)
