"""What Slurm says about jobs: squeue first, which is always there, then sacct where it works."""

import re
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from vqx.errors import SlurmUnreachable

# Slurm's states of a job that holds or awaits resources, or will again.
LIVE = frozenset(
    (
        *("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING"),
        *("STAGE_OUT", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESIZING", "SPECIAL_EXIT"),
        "RESV_DEL_HOLD",
    )
)
_SECONDS = 30.0  # a controller that is busy answers later than this only when it is in trouble
_IDS_A_COMMAND = 500  # a command line holds some thousand
_ATTEMPTS, _PAUSE_SECONDS = 4, 2.0


@dataclass(frozen=True, slots=True)
class SlurmJob:
    """One job, or one task of an array, as Slurm shows it; `reason` is why it waits or ended."""

    job_id: str
    state: str
    node: str = ""
    reason: str = ""

    @property
    def is_live(self) -> bool:
        """Whether it runs or may still run."""
        return self.state.split()[0].rstrip("+") in LIVE


def slurm_jobs(job_ids: Iterable[str]) -> dict[str, SlurmJob]:
    """Slurm's view of these jobs; ids that it no longer knows are left out.

    Raises SlurmUnreachable when there is no Slurm here or its controller does not answer.
    """
    wanted = set(job_ids)
    found: dict[str, SlurmJob] = {}
    for ids in _chunks(sorted({job_id.split("_")[0] for job_id in wanted})):
        found.update(_squeue(ids))
    missing = sorted({job_id.split("_")[0] for job_id in wanted - found.keys()})
    for ids in _chunks(missing):
        found.update({job.job_id: job for job in _sacct(ids) if job.job_id not in found})
    return {job_id: found[job_id] for job_id in sorted(wanted & found.keys())}


def cancel_jobs(job_ids: Iterable[str], *, signal_name: str | None = None) -> None:
    """End these jobs, or send their steps a signal (INT, TERM); ones that are gone are left out.

    Raises SlurmUnreachable after a few attempts.
    """
    flags = [f"--signal={signal_name}"] if signal_name else []
    for ids in _chunks(sorted(set(job_ids))):
        patient_output(["scancel", "--quiet", *flags, *ids])


def max_array_size() -> int:
    """The number of tasks that one array may have here: its indices stay below MaxArraySize."""
    match = re.search(
        r"^MaxArraySize\s*=\s*(\d+)", patient_output(["scontrol", "show", "config"]), re.M
    )
    return max(1, int(match[1])) if match else 1001


def requeue_job(job_id: str) -> None:
    """Put a running job back in the queue. Raises SlurmUnreachable after a few attempts."""
    patient_output(["scontrol", "requeue", job_id])


def slurm_output(command: Sequence[str]) -> str:
    """The output of one of Slurm's commands. Raises SlurmUnreachable saying what it answered."""
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError as error:
        raise SlurmUnreachable(f"there is no {command[0]} on this machine") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SlurmUnreachable(f"{command[0]} does not answer: {error}") from error
    if answer.returncode != 0:
        said = " ".join(answer.stderr.split()) or f"exit code {answer.returncode}"
        raise SlurmUnreachable(f"{command[0]}: {said}")
    return answer.stdout


def patient_output(command: Sequence[str]) -> str:
    """The same, asked again a few times while a controller is busy; "" for a job that is gone."""
    for attempt in range(_ATTEMPTS):
        try:
            return slurm_output(command)
        except SlurmUnreachable as error:
            if _is_unknown_job(error):
                break
            if attempt == _ATTEMPTS - 1 or isinstance(error.__cause__, FileNotFoundError):
                raise
            time.sleep(_PAUSE_SECONDS * 2**attempt)
    return ""


def _squeue(ids: Sequence[str]) -> dict[str, SlurmJob]:
    command = ["squeue", "-h", "-r", "-t", "all", "-o", "%i|%T|%N|%r", "-j", ",".join(ids)]
    try:
        lines = slurm_output(command).splitlines()
    except SlurmUnreachable as error:
        if _is_unknown_job(error):  # squeue's word for a single id that it has forgotten
            return {}
        raise
    return {job.job_id: job for line in lines for job in _parsed(line)}


def _sacct(ids: Sequence[str]) -> list[SlurmJob]:
    """From accounting; nothing on a cluster that keeps none."""
    command = ["sacct", "-n", "-X", "-P", "-o", "JobID,State,NodeList", "-j", ",".join(ids)]
    try:
        lines = slurm_output(command).splitlines()
    except SlurmUnreachable:
        return []
    return [job for line in lines for job in _parsed(f"{line}|")]


def _parsed(line: str) -> Iterator[SlurmJob]:
    """The job of a line `id|state|node|reason`; several for an array's pending tasks in one."""
    parts = [part.strip() for part in line.split("|")]
    if len(parts) < 4 or not parts[0] or not parts[1] or "." in parts[0]:
        return
    job_id, state, node, reason = parts[:4]
    plain = {"", "None", "None assigned", "(null)"}
    for one in _expanded(job_id):
        yield SlurmJob(one, state, "" if node in plain else node, "" if reason in plain else reason)


def _expanded(job_id: str) -> Iterator[str]:
    """`7_[1-3,8%2]` as 7_1, 7_2, 7_3, 7_8."""
    match = re.fullmatch(r"(\d+)_\[([\d,-]+)(?:%\d+)?\]", job_id)
    if match is None:
        yield job_id
        return
    for part in match[2].split(","):
        first, _, last = part.partition("-")
        for index in range(int(first), int(last or first) + 1):
            yield f"{match[1]}_{index}"


def _is_unknown_job(error: SlurmUnreachable) -> bool:
    return "Invalid job id" in str(error)


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _IDS_A_COMMAND):
        yield ids[start : start + _IDS_A_COMMAND]
