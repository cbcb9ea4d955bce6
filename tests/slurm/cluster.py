"""A real Slurm on this machine: virtual nodes n1..n4, started by start.sh and ended by stop.sh."""

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SESSION = "VQX_TEST_SESSION"  # the process id of the test session
_HERE = Path(__file__).resolve().parent
# squeue's words for a job that runs or will.
LIVE = {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED"}


def missing() -> str | None:
    """Why no cluster can be started here, None if one can."""
    if os.geteuid() != 0:
        return "Slurm's daemons need root"
    if not (shutil.which("slurmctld") or shutil.which("apt-get")):
        return "neither Slurm nor apt-get is here"
    return None


@dataclass(frozen=True)
class Cluster:
    """One cluster; two with different ports live side by side."""

    port: int
    accounting: bool
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """Where its configuration, logs and process ids are."""
        return Path(f"/tmp/vqx-slurm-{self.port}")

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment, pointed to this cluster, one thread a process."""
        root = str(_HERE.parents[1])
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SUBMITIT_"))},
            "SLURM_CONF": str(self.state / "etc/slurm.conf"),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": root,  # tests.slurm.disturbed
            **self.variables,
        }

    def up(self) -> None:
        """Start it, or do nothing when it is up."""
        with Path("/tmp/.vqx-slurm.lock").open("w") as lock:  # one at a time installs packages
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._script("start.sh")
            (self.state / "session").write_text(os.environ[SESSION])

    def down(self) -> None:
        """End its jobs and its daemons."""
        self._script("stop.sh")
        shutil.rmtree(self.state, ignore_errors=True)

    def _script(self, name: str) -> None:
        kind = "dbd" if self.accounting else "none"
        wanted = {"PORT": str(self.port), "STATE": str(self.state), "ACCT": kind}
        done = subprocess.run(
            ["bash", str(_HERE / name)],
            env={**os.environ, **wanted},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def slurm(self, *words: str) -> str:
        """The output of one of Slurm's commands."""
        done = subprocess.run(
            words, env=self.environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def jobs(self) -> dict[str, tuple[str, str]]:
        """Every job that Slurm remembers, array tasks apart: its state and its nodes."""
        lines = self.slurm("squeue", "-r", "-h", "-t", "all", "-o", "%i|%T|%N").splitlines()
        return {job: (state, nodes) for job, state, nodes in (line.split("|") for line in lines)}

    def live(self) -> dict[str, tuple[str, str]]:
        """The jobs that run or will."""
        return {job: found for job, found in self.jobs().items() if found[0] in LIVE}

    def empty(self) -> None:
        """Cancel whatever a test left, and wait until nothing runs."""
        self.slurm("scancel", "-u", "root")
        wait_until(lambda: not self.live(), seconds=60, what="an empty queue")

    def kill_node(self, name: str) -> None:
        """End a node's daemon as a power cut would, and let the controller know it."""
        pid = int((self.state / "pid" / f"slurmd-{name}").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        self.slurm("scontrol", "update", f"nodename={name}", "state=down", "reason=test")

    def revive_node(self, name: str) -> None:
        """Start a killed node's daemon again."""
        log = (self.state / "log" / f"slurmd-{name}.out").open("a")
        process = subprocess.Popen(
            ["/usr/sbin/slurmd", "-D", "-N", name],
            env=self.environment,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        started = Path(f"/proc/{process.pid}/stat").read_text().split()[21]
        (self.state / "pid" / f"slurmd-{name}").write_text(f"{process.pid} {started}\n")
        self.slurm("scontrol", "update", f"nodename={name}", "state=resume")
        wait_until(lambda: self._is_up(name), seconds=60, what=f"node {name}")

    def _is_up(self, name: str) -> bool:
        state = self.slurm("sinfo", "-h", "-N", "-n", name, "-p", "main", "-o", "%T").strip()
        return state in ("idle", "mixed", "allocated")


# Each of pytest's workers has clusters of its own: a test counts and cancels all jobs of one.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PLAIN = Cluster(port=26900 + 40 * _WORKER, accounting=False)
ACCOUNTED = Cluster(port=27900 + 40 * _WORKER, accounting=True)


def end_clusters() -> None:
    """Stop the clusters of this session, whichever of its workers started them."""
    for owner in Path("/tmp").glob("vqx-slurm-*/session"):
        if owner.read_text() == os.environ[SESSION]:
            port = int(owner.parent.name.rsplit("-", 1)[1])
            Cluster(port=port, accounting=False).down()


def wait_until(condition: Callable[[], object], *, seconds: float, what: str) -> None:
    """Poll until `condition` holds; AssertionError naming `what` after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"no {what} within {seconds:.0f} s"
        time.sleep(0.1)
