"""How long the table of many runs takes: time and memory of `python -m vqx.report` as they grow."""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vqx.benchmarks.progress import show_progress
from vqx.benchmarks.report_runs import write_runs
from vqx.errors import VqxError

_DESCRIPTION = """Makes run folders up (three seeds each of eight quantizers with several steps,
widths and learning rates; metrics and provenance as long as real ones; one in ten not done, one in
200 torn or foreign) and measures the real command, each time in a process of its own: cold, with no
index (the folders were just written, so they are in the page cache), warm, and its peak of memory.
Seconds are of the wall clock, which other load stretches; the process's own are beside them."""
_WANTED_AT = 10_000  # folders for which times are wanted
_MIB = 1 << 20
_SETTLED = 2.5  # seconds until an index takes files for settled


@dataclass(frozen=True, slots=True)
class Wanted:
    """Limits: seconds of the wall clock and MiB."""

    cold: float = 5.0
    warm: float = 1.0
    memory: float = 500.0
    help: float = 0.5


@dataclass(frozen=True, slots=True)
class Spent:
    """What one process took: seconds of the wall clock and of its own, and MiB at its peak."""

    seconds: float
    busy: float
    memory: float


@dataclass(frozen=True, slots=True)
class Measured:
    """The command on `size` run folders: without an index, and the median with one."""

    size: int
    cold: Spent
    warm: Spent

    @property
    def memory(self) -> float:
        """The higher peak of both, in MiB."""
        return max(self.cold.memory, self.warm.memory)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's options to `parser`."""
    parser.description = _DESCRIPTION
    add = parser.add_argument
    add("--sizes", type=int, nargs="+", default=[100, 1000, 10_000], help="up to 120,000 folders")
    add(
        "--rounds", type=int, default=3, help="warm runs of the command, of which the median counts"
    )
    add("--place", type=Path, help="a folder for the made-up runs, default a temporary one")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print a line a size, then what was wanted."""
    with tempfile.TemporaryDirectory(dir=arguments.place, prefix="vqx-bench-") as place:
        command = _Command(Path(place))
        helped = command.spend(["--help"], rounds=arguments.rounds)
        found = [_measured(command, size, arguments.rounds) for size in sorted(arguments.sizes)]
        show_progress("")
    print(table_of(found))
    print("\n".join(verdicts(found, helped, Wanted())))


class _Command:
    """`python -m vqx.report` in processes of its own, with compiled modules as after one start."""

    def __init__(self, place: Path) -> None:
        self.place = place
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(place / "compiled")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment.pop("VQX_RESULTS", None)
        self._environment = environment
        write_runs(place / "first/results/runs", 3)
        self._spend([], place / "first")

    def spend(self, words: Sequence[str], *, rounds: int = 1, cwd: Path | None = None) -> Spent:
        """The medians over some rounds."""
        found = [self._spend(words, cwd or self.place) for _ in range(rounds)]
        return Spent(
            statistics.median(each.seconds for each in found),
            statistics.median(each.busy for each in found),
            max(each.memory for each in found),
        )

    def _spend(self, words: Sequence[str], cwd: Path) -> Spent:
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "vqx.report", *words],
            cwd=cwd,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        with process.stderr:
            said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise VqxError(f"python -m vqx.report {' '.join(words)} failed:\n{said}")
        return Spent(seconds, usage.ru_utime + usage.ru_stime, _mib(usage))


def _mib(usage: resource.struct_rusage) -> float:
    """The peak of resident memory; macOS says bytes, Linux KiB."""
    return usage.ru_maxrss / (_MIB if sys.platform == "darwin" else 1024)


def _measured(command: _Command, size: int, rounds: int) -> Measured:
    place = command.place / str(size)
    show_progress(f"report: writing {size:,} run folders")
    write_runs(place / "results/runs", size)
    time.sleep(_SETTLED)
    show_progress(f"report: {size:,} run folders, cold")
    cold = command.spend([], cwd=place)
    show_progress(f"report: {size:,} run folders, warm")
    return Measured(size, cold, command.spend([], rounds=rounds, cwd=place))


def table_of(found: Sequence[Measured]) -> str:
    """A line a size, with what a folder adds to the time of the smaller size before."""
    lines = ["   runs   cold s (CPU)    warm s (CPU)   more ms a run: cold   warm   peak MiB"]
    for before, one in zip([None, *found], found, strict=False):
        cold, warm = (
            "" if before is None else f"{1e3 * more:.3f}"
            for more in (_slope(before, one, "cold"), _slope(before, one, "warm"))
        )
        lines.append(
            f"{one.size:7,}  {one.cold.seconds:6.2f} ({one.cold.busy:5.2f})"
            f"  {one.warm.seconds:6.2f} ({one.warm.busy:5.2f})"
            f"  {cold:>19}  {warm:>5}  {one.memory:9.0f}"
        )
    return "\n".join(lines)


def _slope(before: Measured | None, one: Measured, what: str) -> float:
    """Seconds of the process that a run folder more takes."""
    if before is None or before.size == one.size:
        return 0.0
    more: float = getattr(one, what).busy - getattr(before, what).busy
    return more / (one.size - before.size)


def verdicts(found: Sequence[Measured], helped: Spent, wanted: Wanted) -> list[str]:
    """What was wanted of `--help`, and of 10,000 folders if they were measured, and if it is so."""
    said: dict[str, tuple[float, float, str]] = {"--help": (helped.seconds, wanted.help, "s")}
    for one in found:
        if one.size == _WANTED_AT:
            name = f"{one.size:,} runs"
            said |= {
                f"{name} cold": (one.cold.seconds, wanted.cold, "s"),
                f"{name} warm": (one.warm.seconds, wanted.warm, "s"),
                f"{name} memory": (one.memory, wanted.memory, "MiB"),
            }
    return [_verdict(name, *figures) for name, figures in said.items()]


def _verdict(name: str, value: float, limit: float, unit: str) -> str:
    digits = 0 if unit == "MiB" else 2
    met = "met" if value < limit else "NOT met"
    return f"{name}: {value:.{digits}f} {unit}, wanted under {limit:g} {unit}: {met}"
