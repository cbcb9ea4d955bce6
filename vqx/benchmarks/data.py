"""`python -m vqx.bench data`: images a second of every loader beside what most users have."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vqx.benchmarks.csv_text import csv_text
from vqx.benchmarks.progress import show_progress
from vqx.errors import ConfigError, VqxError

if TYPE_CHECKING:
    from vqx.benchmarks.data_images import Case, Stock
    from vqx.benchmarks.data_measuring import Setting
    from vqx.benchmarks.data_table import Results
    from vqx.reporting.cells import Table

DESCRIPTION = """Images a second of every loader beside torchvision's ImageFolder with PIL in a
DataLoader, FFCV's own loader, and bare decoding and copying, in alternating rounds; then what
ImageNet at 256 px on 8 GPUs would ask for, by these figures; with a GPU, how long it waits.

  python -m vqx.bench data                            four minutes
  python -m vqx.bench data --only 32 memory           one case, one loader (and the baseline)
  python -m vqx.bench data --out results/tables/data.md

Cases: 32 (PNG), 256-128 and 256-256 (JPEG, random windows). Loaders: memory, memmap, ffcv-raw,
ffcv-jpg, folder, peer (ffcv.Loader). The images are made for it, in a temporary folder."""

LOADERS: dict[str, tuple[str, ...]] = {
    "memory": ("memory",),
    "memmap": ("memmap",),
    "ffcv-raw": ("ffcv raw",),
    "ffcv-jpg": ("ffcv jpg",),
    "folder": ("folder",),
    "peer": ("ffcv.Loader raw", "ffcv.Loader jpg"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line can say."""
    parser.description = DESCRIPTION
    add = parser.add_argument
    add("--only", nargs="+", default=[], metavar="NAME", help="cases and loaders (default: all)")
    add("--images", type=int, default=384, help="of 256 px; 16 times as many of 32 (default 384)")
    add("--batch", type=int, default=64, help="images a batch (default 64)")
    add("--workers", type=int, default=2, help="processes or threads of a loader (default 2)")
    add("--rounds", type=int, default=5, help="rounds (default 5)")
    add("--seconds", type=float, default=0.5, help="at least, a loader a round (default 0.5)")
    add("--cores", type=int, help="processors that a loader may use (default: all)")
    add("--out", type=Path, metavar="FILE.md", help="write tables as Markdown and CSV too")


def run(arguments: argparse.Namespace) -> None:
    """Measure, print the tables, write them."""
    from vqx.benchmarks.data_table import Results

    setting = _setting(arguments)
    cases, readers = _chosen(arguments.only)
    if arguments.out is not None and not arguments.out.parent.is_dir():
        raise ConfigError(f"--out {arguments.out}: there is no folder {arguments.out.parent}")
    results = Results()
    try:
        with _tidied_up():
            _measure_all(cases, readers, setting, results)
    finally:  # what is known, also after Ctrl-C
        if results.cases:
            _show(results, setting, arguments.out)
    _complain(results)


@contextmanager
def _tidied_up() -> Iterator[None]:
    """SIGTERM ends this process as an exception does: with nothing left of files and processes."""

    def stop(*_: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _setting(arguments: argparse.Namespace) -> "Setting":
    from vqx.benchmarks.data_measuring import Setting

    for name in ("images", "batch", "workers", "rounds", "seconds", "cores"):
        value = getattr(arguments, name)
        if value is not None and not value > 0:
            raise ConfigError(f"--{name} {value:g}: use a positive number")
    there = len(os.sched_getaffinity(0))
    if arguments.cores is not None and arguments.cores > there:
        raise ConfigError(f"--cores {arguments.cores}: there are {there} here")
    return Setting(
        images=arguments.images,
        batch=arguments.batch,
        workers=arguments.workers,
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        cores=arguments.cores,
    )


def _chosen(names: Sequence[str]) -> tuple[list["Case"], list[str]]:
    """Cases, and readers with the baseline and the bare ones, in order."""
    from vqx.benchmarks.data_images import CASES
    from vqx.benchmarks.data_measuring import BASELINE, COPY, DECODE, READERS

    for name in names:
        if name not in (*CASES, *LOADERS):
            known = ", ".join((*CASES, *LOADERS))
            raise ConfigError(f"--only {name}: there are: {known}")
    loaders = [name for name in names if name in LOADERS] or list(LOADERS)
    wanted = {reader for name in loaders for reader in LOADERS[name]} | {BASELINE, COPY, DECODE}
    cases = [case for name, case in CASES.items() if name in names]
    return cases or list(CASES.values()), [name for name in READERS if name in wanted]


def _measure_all(
    cases: Sequence["Case"], readers: Sequence[str], setting: "Setting", results: "Results"
) -> None:
    from vqx.benchmarks.data_images import write_stock
    from vqx.benchmarks.data_measuring import measure

    stocks = {}
    with tempfile.TemporaryDirectory(prefix="vqx-bench-data-") as place:
        try:
            for case in cases:
                if (size := case.load_size) not in stocks:
                    show_progress(f"{case}: making and preparing images")
                    folder = Path(place) / str(size)
                    stocks[size] = write_stock(
                        folder, case, images=setting.images, workers=setting.workers
                    )
                    results.stocks[case] = stocks[size]
                results.cases[case] = measure(
                    case, stocks[size], setting, readers, show=show_progress
                )
            if 256 in stocks:
                _measure_gpu(stocks[256], setting, results)
        finally:
            show_progress("")


def _measure_gpu(stock: "Stock", setting: "Setting", results: "Results") -> None:
    """How long a GPU waits for data, where there is one."""
    import torch

    if not torch.cuda.is_available():
        return
    from vqx.benchmarks.data_gpu import LOADERS, waiting
    from vqx.benchmarks.worker import Worker

    worker = Worker(limited=False)
    call = partial(waiting, workers=setting.workers, rounds=setting.rounds)
    try:
        for loader, form in LOADERS.items():
            show_progress(f"GPU fed by {loader}")
            results.waiting[loader] = worker(call, stock.prepared[form], loader)
            worker.close()
    finally:
        worker.close()


def _show(results: "Results", setting: "Setting", out: Path | None) -> None:
    import torch

    from vqx.benchmarks.data_scale import scale_table
    from vqx.reporting.markdown import render_markdown
    from vqx.reporting.terminal import render_terminal
    from vqx.runs.files import write_text_atomic

    tables: list[Table] = [results.table(_caption(setting))]
    for case, found in results.cases.items():
        if case.name == "256-256" and (scale := scale_table(found, "ImageNet at 256 px on paper")):
            tables.append(scale)
    if results.waiting:
        from vqx.benchmarks.data_gpu import waiting_table

        tables.append(waiting_table(results.waiting, torch.cuda.get_device_name()))
    width, bold = shutil.get_terminal_size((160, 24)).columns, sys.stdout.isatty()
    print("\n".join(render_terminal(table, width=width, bold=bold) for table in tables), end="")
    if out is not None:
        write_text_atomic(out, "\n".join(map(render_markdown, tables)))
        write_text_atomic(out.with_suffix(".csv"), csv_text(results.lines()))


def _caption(setting: "Setting") -> str:
    import torch

    cores = setting.cores or len(os.sched_getaffinity(0))
    return (
        f"Loaders, {cores} processor cores, {setting.workers} workers, batches of {setting.batch}, "
        f"{setting.rounds} rounds of {setting.seconds:g} s, torch {torch.__version__}"
    )


def _complain(results: "Results") -> None:
    """Missing software is said in its row and is no failure; all else is."""
    from vqx.benchmarks.data_measuring import MISSING_FFCV
    from vqx.benchmarks.worker import Failure

    failed = [
        f"{case}, {name}"
        for case, found in results.cases.items()
        for name, one in found.items()
        if isinstance(one, Failure) and one.reason != MISSING_FFCV
    ]
    failed += [
        f"GPU fed by {name}" for name, one in results.waiting.items() if isinstance(one, Failure)
    ]
    if failed:
        raise VqxError(f"failed: {'; '.join(failed)}; the notes of their rows say why")
