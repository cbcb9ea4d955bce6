"""Seconds to plan a sweep: vqx's composition of all jobs beside Hydra's own of a few of them."""

import argparse
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from vqx.sweeps.composition import Composer
from vqx.sweeps.expansion import expand
from vqx.sweeps.options import SweepOptions
from vqx.sweeps.planning import make_plan, queue_runs
from vqx.sweeps.view import multirun

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader
    from omegaconf import DictConfig

_DESCRIPTION = """Plan N jobs of five quantizers, N / 5 seeds each, in an empty results folder:
compose and look them up, write their folders, look them up again. Beside it Hydra composes a few
of the same jobs, each anew, as its own sweeper and launcher do (and that twice)."""
_QUANTIZERS = ("fsq", "vq", "ema", "lfq", "cosine")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's options to `parser`."""
    parser.description = _DESCRIPTION
    parser.add_argument("--jobs", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--sample", type=int, default=20, help="jobs that Hydra composes")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print a line for each number of jobs."""
    print("   jobs   plan s   ms a job   write s   again s   Hydra ms a job   ratio")
    for count in arguments.jobs:
        with tempfile.TemporaryDirectory() as results:
            _measure(count, arguments.sample, results)


def _measure(count: int, sample: int, results: str) -> None:
    seeds = f"seed=range(0,{max(1, count // len(_QUANTIZERS))})"
    words = [f"quantizer={','.join(_QUANTIZERS)}", seeds, f"results={results}"]
    clock = [time.perf_counter()]
    config, loader = multirun(words)
    jobs = expand({}, [], [], words)
    plan = make_plan(jobs, Composer(config, loader), SweepOptions(), show_progress=True)
    clock.append(time.perf_counter())
    queue_runs(plan)
    clock.append(time.perf_counter())
    make_plan(jobs, Composer(config, loader), SweepOptions(), show_progress=True)
    clock.append(time.perf_counter())
    planned, written, again = (end - start for start, end in pairwise(clock))
    ours = planned / len(jobs)
    theirs = _hydras(config, loader, jobs[:: max(1, len(jobs) // sample)])
    print(
        f"{len(jobs):7}  {planned:7.2f}  {ours * 1e3:9.1f}  {written:8.2f}  {again:8.2f}"
        f"  {theirs * 1e3:15.1f}  {theirs / ours:6.1f}",
        flush=True,
    )


def _hydras(config: "DictConfig", loader: "ConfigLoader", jobs: Sequence[Sequence[str]]) -> float:
    """Seconds a job of Hydra's own composition."""
    start = time.perf_counter()
    for overrides in jobs:
        loader.load_sweep_config(config, list(overrides))
    return (time.perf_counter() - start) / len(jobs)
