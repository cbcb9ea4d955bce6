"""What a launcher adds to a run: seconds before its first step and after its last, by launcher."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path

from vqx.errors import VqxError

_DESCRIPTION = """A run of a few steps by each launcher, one job at a time, seen from outside by its
folder: medians of the rounds. `single` is the command without -m. Slurm is left out where there is
none, which is said; words behind the options go to every command, e.g. hydra.launcher.mem_gb=2."""
_LAUNCHERS = ("single", "serial", "local", "slurm")
_RUN = (
    "trainer=smoke",
    "trainer.log_every=1",
    "metrics=fast",
    "data.image_size=32",
    "model.width=16",
    "model.residual_width=4",
    "model.residual_blocks=1",
)
_STEPS = 6
_LIMIT = 600.0
_POLL = 0.005


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of one job, from its command on."""

    to_queued: float  # its folder says what will run
    to_first_step: float  # from there to the first step in its log
    to_done: float  # from the last step in its log, evaluation and pictures included
    to_end: float  # from its result to the end of the command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's options to `parser`."""
    parser.description = _DESCRIPTION
    parser.add_argument("--launchers", nargs="+", default=list(_LAUNCHERS), choices=_LAUNCHERS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("words", nargs="*", help="overrides of every command")


def run(arguments: argparse.Namespace) -> None:
    """Measure in turns, so that other load meets all alike, and print a line a launcher."""
    import shutil

    launchers = list(arguments.launchers)
    if "slurm" in launchers and shutil.which("squeue") is None:
        launchers.remove("slurm")
        print("slurm: left out, there is no squeue here")
    found: dict[str, list[Times]] = {launcher: [] for launcher in launchers}
    for number in range(arguments.rounds):
        for launcher in launchers:
            found[launcher].append(_measured(launcher, number, arguments.words))
    print("launcher   to queued s   to first step s   last step to done s   done to end s")
    for launcher, times in found.items():
        medians = [statistics.median(each) for each in zip(*map(astuple, times), strict=True)]
        print("{:8}   {:11.2f}   {:15.2f}   {:19.2f}   {:13.2f}".format(launcher, *medians))


def _measured(launcher: str, seed: int, words: list[str]) -> Times:
    """One job in a results folder of its own."""
    multirun = [] if launcher == "single" else ["-m", f"hydra/launcher={launcher}"]
    own = [word for word in words if launcher == "slurm" or not word.startswith("hydra.launcher")]
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".vqx-bench-") as place:
        command = [sys.executable, "-m", "vqx.train", *multirun, *_RUN, f"seed={seed}", *own]
        if launcher == "slurm":
            command.append("wait=true")
        start = time.perf_counter()
        process = subprocess.Popen(
            [*command, f"results={place}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        moments = _observed(Path(place), process)
        output, _ = process.communicate(timeout=_LIMIT)
        end = time.perf_counter()
    if process.returncode:
        raise VqxError(f"the command of {launcher} failed:\n{output}")
    queued, first, last, done = moments
    return Times(queued - start, first - queued, done - last, end - done)


def _observed(place: Path, process: "subprocess.Popen[str]") -> list[float]:
    """When the folder was queued, had its first step, its last, and its result."""
    signs: list[Callable[[], bool]] = [
        lambda: any(place.glob("runs/*/status.json")),
        lambda: _last_step(place) >= 1,
        lambda: _last_step(place) >= _STEPS,
        lambda: any(place.glob("runs/*/result.json")),
    ]
    moments: list[float] = []
    limit = time.perf_counter() + _LIMIT
    for sign in signs:
        while not sign():
            if process.poll() is not None and not sign():
                output = process.communicate()[0]
                raise VqxError(f"the run ended before its time:\n{output}")
            if time.perf_counter() > limit:
                process.kill()
                raise VqxError(f"no end of the run within {_LIMIT:.0f} s")
            time.sleep(_POLL)
        moments.append(time.perf_counter())
    return moments


def _last_step(place: Path) -> int:
    """The last optimizer step in the run's log, 0 before the first."""
    for path in place.glob("runs/*/metrics.jsonl"):
        for line in reversed(path.read_bytes().splitlines(keepends=True)):
            if line.endswith(b"\n") and json.loads(line)["kind"] == "train":
                return int(json.loads(line)["step"])
    return 0
