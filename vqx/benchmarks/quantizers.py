"""`python -m vqx.bench quantizers`: time and memory of every quantizer, its peer and the floor."""

import argparse
import importlib.util
import itertools
import math
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqx.benchmarks.families import FAMILIES, Family, Size
from vqx.benchmarks.peers import PACKAGE
from vqx.benchmarks.progress import show_progress
from vqx.errors import ConfigError, VqxError

if TYPE_CHECKING:
    from vqx.benchmarks.measuring import Setting
    from vqx.benchmarks.quantizer_table import Results

DESCRIPTION = f"""Time and peak memory of a training pass of each quantizer beside
vector-quantize-pytorch (LU) and the least work there is (the floor), in alternating rounds.

  python -m vqx.bench quantizers --quick                     a minute: one size each
  python -m vqx.bench quantizers --out quantizers.md         all sizes
  python -m vqx.bench quantizers --families ema fsq --codes 1024
  python -m vqx.bench quantizers --device cuda --dtype bf16 --compile

Families: {", ".join(FAMILIES)}."""

GRID: dict[str, list[Any]] = {
    "tokens": [8192, 32768],
    "codes": [1024, 8192, 65536],
    "widths": [8, 64],
    "bits": [10, 14, 18],
    "levels": [(8, 5, 5, 5), (8, 8, 8, 5, 5, 5)],
}
QUICK: dict[str, list[Any]] = {
    "tokens": [8192], "codes": [1024], "widths": [64], "bits": [10], "levels": [(8, 5, 5, 5)],
}  # fmt: skip
IMAGE = 256  # tokens of an image: sizes are whole images


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line can say."""
    parser.description = DESCRIPTION
    add = parser.add_argument
    add("--families", nargs="+", metavar="NAME", help="only these")
    add("--tokens", nargs="+", type=int, metavar="N", help="default 8192 32768")
    add("--codes", nargs="+", type=int, metavar="K", help="default 1024 8192 65536")
    add("--widths", nargs="+", type=int, metavar="D", help="default 8 64")
    add("--bits", nargs="+", type=int, metavar="BITS", help="of lfq and bsq: default 10 14 18")
    add("--levels", nargs="+", type=_levels, metavar="L,L,...", help="of fsq and its kin")
    add("--quick", action="store_true", help="one size each, 3 rounds, 1 second each")
    add("--rounds", type=int, help="most rounds (default 7)")
    add("--budget", type=float, help="seconds for the rounds of one size (default 4)")
    add("--patience", type=float, default=40.0,
        help="a pass of LU foreseen to take more seconds is not run (default 40)")  # fmt: skip
    add("--device", choices=["cpu", "cuda"], default="cpu")
    add("--dtype", choices=["float32", "bf16"], default="float32", help="bf16: autocast")
    add("--compile", action="store_true", help="torch.compile both sides")
    add("--out", type=Path, metavar="FILE", help="write the table as Markdown too")


def run(arguments: argparse.Namespace) -> None:
    """Measure all sizes of all families, print the table, write it."""
    sizes = list(_sizes(arguments))
    _check(arguments)
    from vqx.benchmarks.quantizer_table import Results

    if importlib.util.find_spec(PACKAGE) is None:
        print(
            "no comparison with LU: pip install vector-quantize-pytorch",
            file=sys.stderr,
            flush=True,
        )
    results = Results()
    try:
        _measure_all(sizes, _setting(arguments), results)
    finally:  # what is known, also after Ctrl-C
        _show(results, _caption(arguments), arguments.out)
    _complain(results)


def _check(arguments: argparse.Namespace) -> None:
    """Say now, and not after half an hour, what cannot be done."""
    import torch

    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda: torch sees no GPU here; use --device cpu")
    if arguments.out is not None and not arguments.out.parent.is_dir():
        raise ConfigError(f"--out {arguments.out}: there is no folder {arguments.out.parent}")


def _measure_all(sizes: Sequence[tuple[str, Size]], setting: "Setting", results: "Results") -> None:
    from vqx.benchmarks.measuring import measure
    from vqx.benchmarks.worker import Worker

    worker = Worker(limited=setting.device == "cpu")
    try:
        for index, (name, size) in enumerate(sizes, 1):
            show_progress(f"[{index}/{len(sizes)}] {name}  {size}")
            results.cells[name, size] = worker(measure, name, size, setting)
    finally:
        worker.close()
        show_progress("")


def _setting(arguments: argparse.Namespace) -> "Setting":
    from vqx.benchmarks.measuring import Setting

    quick = arguments.quick
    rounds, budget = (
        arguments.rounds or (3 if quick else 7),
        arguments.budget or (1 if quick else 4),
    )
    if rounds < 1 or budget <= 0:
        raise ConfigError(f"--rounds {rounds} --budget {budget:g}: use positive numbers")
    return Setting(
        device=arguments.device,
        dtype=arguments.dtype,
        compiled=arguments.compile,
        rounds=rounds,
        budget=budget,
        patience=arguments.patience,
    )


def _sizes(arguments: argparse.Namespace) -> Iterator[tuple[str, Size]]:
    """Families and sizes asked for, family by family."""
    grid = {
        key: getattr(arguments, key) or default
        for key, default in (QUICK if arguments.quick else GRID).items()
    }
    for tokens in grid["tokens"]:
        if tokens < IMAGE or tokens % IMAGE:
            raise ConfigError(f"--tokens {tokens}: use a multiple of {IMAGE} (16 x 16 an image)")
    for name in arguments.families or FAMILIES:
        if name not in FAMILIES:
            raise ConfigError(f"no quantizer '{name}'; there are: {', '.join(FAMILIES)}")
        yield from ((name, size) for size in _sizes_of(FAMILIES[name], grid))


def _sizes_of(family: Family, grid: dict[str, list[Any]]) -> Iterator[Size]:
    for tokens in grid["tokens"]:
        if family.grid == "codes":
            for codes, width in itertools.product(grid["codes"], grid["widths"]):
                yield Size(tokens, codes, width)
        elif family.grid == "bits":
            yield from (Size(tokens, 2**bits, bits) for bits in grid["bits"])
        else:
            for levels in grid["levels"]:
                yield Size(tokens, math.prod(levels), len(levels), levels)


def _levels(text: str) -> tuple[int, ...]:
    return tuple(int(level) for level in text.strip("[]").split(","))


def _caption(arguments: argparse.Namespace) -> str:
    import torch

    from vqx.benchmarks.peers import version

    device = f"CPU, {torch.get_num_threads()} threads"
    if arguments.device == "cuda":
        device = torch.cuda.get_device_name()
    compiled = ", compiled" if arguments.compile else ""
    return (
        f"Quantizers, {device}, {arguments.dtype}{compiled}, torch {torch.__version__}, "
        f"vector-quantize-pytorch {version() or 'not installed'}"
    )


def _show(results: "Results", caption: str, out: Path | None) -> None:
    from vqx.reporting.markdown import render_markdown
    from vqx.reporting.terminal import render_terminal
    from vqx.runs.files import write_text_atomic

    table = results.table(caption)
    width = shutil.get_terminal_size((160, 24)).columns
    print(render_terminal(table, width=width, bold=sys.stdout.isatty()), end="", flush=True)
    if out is not None:
        write_text_atomic(out, render_markdown(table))


def _complain(results: "Results") -> None:
    from vqx.benchmarks.worker import Failure

    failed = {name for (name, _), found in results.cells.items() if isinstance(found, Failure)}
    if failed:
        raise VqxError(f"failed: {', '.join(sorted(failed))}; the notes of their rows say why")
