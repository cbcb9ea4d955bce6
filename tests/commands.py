"""vqx's commands as a user runs them: in a process of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

# The smallest run that goes through everything: two seconds of training, most of it imports.
TINY = (
    "trainer=smoke",
    "metrics=fast",
    "data.image_size=32",
    "model.width=16",
    "model.residual_width=4",
    "model.residual_blocks=1",
    "trainer.evaluation_batch_size=100",
)


def command(module: str, *arguments: str) -> list[str]:
    """`python -m MODULE ARGUMENTS` with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def environment(**extra: str) -> dict[str, str]:
    """This process's environment with one thread, so that tests may share a machine."""
    return {**os.environ, "OMP_NUM_THREADS": "1", **extra}


def run(module: str, *arguments: str, cwd: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in `cwd`; `extra` are environment variables."""
    return subprocess.run(
        command(module, *arguments),
        cwd=cwd,
        env=environment(**extra),
        capture_output=True,
        text=True,
        timeout=300,
    )


def start(module: str, *arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """Start a command and return its process, a process group of its own."""
    return subprocess.Popen(
        command(module, *arguments),
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def only_run(results: Path) -> Path:
    """The one run folder under `results`."""
    (folder,) = (path for path in (results / "runs").iterdir() if path.is_dir())
    return folder


def result_of(folder: Path) -> dict[str, Any]:
    """A run's result.json."""
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result


def status_of(folder: Path) -> dict[str, Any]:
    """A run's status.json."""
    status: dict[str, Any] = json.loads((folder / "status.json").read_text())
    return status


def lines_of(folder: Path) -> list[dict[str, Any]]:
    """A run's metrics.jsonl, without what a clock says."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "time"} for line in lines]
