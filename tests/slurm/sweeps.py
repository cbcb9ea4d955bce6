"""Sweeps on the test cluster: commands, folders, and what an undisturbed sweep gives."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.commands import TINY, command, lines_of, result_of, status_of
from tests.slurm.cluster import Cluster, wait_until
from tests.slurm.disturbed import PAUSE

# Of the quantizers EMA has the most state to lose: averages, counts, restarts.
RUN = (
    *TINY,
    "quantizer=ema",
    "quantizer._target_=tests.slurm.disturbed.DisturbedEMA",
    "trainer.steps=40",
    "trainer.checkpoint_every=4",
    "trainer.evaluate_every=20",
)
SLURM = ("hydra/launcher=slurm", "hydra.launcher.timeout_min=10", "hydra.launcher.mem_gb=1")
DEADLINE = 300.0
_started: list[subprocess.Popen[str]] = []


def start(
    cluster: Cluster, cwd: Path, *words: str, pause: float = 0.0, launcher: tuple[str, ...] = SLURM
) -> subprocess.Popen[str]:
    """Start `python -m vqx.train -m RUN WORDS` in `cwd`; every step then sleeps `pause` seconds."""
    flags = [word for word in words if word.startswith("--")]  # Hydra wants them first
    overrides = [word for word in words if not word.startswith("--")]
    process = subprocess.Popen(
        command("vqx.train", "-m", *flags, *launcher, *RUN, *overrides),
        cwd=cwd,
        env={**cluster.environment, PAUSE: str(pause)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    _started.append(process)
    return process


def end_commands() -> None:
    """Kill what a failed test left running: it would go on submitting."""
    while _started:
        process = _started.pop()
        if process.poll() is None:
            process.kill()
            process.wait()


def sweep(cluster: Cluster, cwd: Path, *words: str, **options: Any) -> tuple[int, str]:
    """The same to its end: exit code and output."""
    process = start(cluster, cwd, *words, **options)
    output, _ = process.communicate(timeout=DEADLINE)
    return process.returncode, output


def folders(cwd: Path) -> dict[int, Path]:
    """The run folders under `cwd` by their seed."""
    found = [path.parent for path in cwd.glob("results/runs/*/config.yaml")]
    return {seed_of(path): path for path in found}


def seed_of(folder: Path) -> int:
    """The seed in a run's configuration."""
    lines = (folder / "config.yaml").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("seed:")).split()[1])


def step_of(folder: Path) -> int:
    """The step of the newest checkpoint, -1 without one."""
    names = sorted(path.name for path in (folder / "checkpoints").glob("step-*.pt"))
    return int(names[-1].split("-")[1]) if names else -1


def wait_for_step(folder: Callable[[], Path | None] | Path, step: int) -> None:
    """Until a run has a checkpoint of `step` or later."""

    def reached() -> bool:
        path = folder if isinstance(folder, Path) else folder()
        return path is not None and step_of(path) >= step

    wait_until(reached, seconds=DEADLINE, what=f"checkpoint of step {step}")


def wait_for_all(cwd: Path, seeds: range) -> None:
    """Until the runs of these seeds have their results."""

    def done() -> bool:
        found = folders(cwd)
        return all(s in found and (found[s] / "result.json").exists() for s in seeds)

    wait_until(done, seconds=DEADLINE, what=f"results of seeds {list(seeds)}")


def job_of(folder: Path) -> str:
    """The Slurm job that works on a run, as its status says."""
    return str(status_of(folder)["job_id"])


def wait_for_state(folder: Path, state: str) -> None:
    """Until a run's status says `state`."""
    wait_until(lambda: status_of(folder)["state"] == state, seconds=DEADLINE, what=f"state {state}")


def assert_as_undisturbed(ours: dict[int, Path], undisturbed: dict[int, Path]) -> None:
    """Final metrics and every line of the log bit for bit: nothing lost, nothing twice."""
    for seed, folder in ours.items():
        assert result_of(folder)["metrics"] == result_of(undisturbed[seed])["metrics"], folder
        assert lines_of(folder) == lines_of(undisturbed[seed]), folder


def settle(seconds: float) -> None:
    """Let a moment pass in which nothing should happen."""
    time.sleep(seconds)
