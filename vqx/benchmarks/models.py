"""`python -m vqx.bench models`: time and memory of an optimizer step of each model and loss."""

import argparse
import itertools
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vqx.benchmarks.csv_text import csv_text
from vqx.benchmarks.progress import show_progress
from vqx.errors import ConfigError, VqxError

if TYPE_CHECKING:
    from vqx.benchmarks.models_step import Case, Setting
    from vqx.benchmarks.models_table import Results
    from vqx.reporting.cells import Table

DESCRIPTION = """Time and peak memory of a whole optimizer step of each model and loss, in rounds
that alternate with the step of conv, l2; then parameters beside those that others print.

  python -m vqx.bench models --quick                     minutes: 32 px, two models
  python -m vqx.bench models --out results/tables/models.md      all of them
  python -m vqx.bench models --models conv vit --losses l2 vqgan
  python -m vqx.bench models --models resnet --losses l2 serezd_gan_adaptive_r1 \\
      --size 256 --batch 32 --precision bf16 --compile   a GPU beside SerezD's A100
"""

QUICK: dict[str, Any] = {
    "models": ["conv", "resnet"],
    "losses": ["l2", "l1_lpips", "vqgan", "serezd_gan_adaptive_r1"],
    "size": 32,
    "batch": 4,
    "rounds": 2,
    "budget": 2.0,
}
# By device: images and precision that it is used for.
USUAL: dict[str, dict[str, Any]] = {
    "cpu": {"size": 64, "batch": 8, "precision": "fp32"},
    "cuda": {"size": 256, "batch": 32, "precision": "bf16"},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line can say."""
    parser.description = DESCRIPTION
    add = parser.add_argument
    add("--models", nargs="+", metavar="NAME", help="only these (default: all)")
    add("--losses", nargs="+", metavar="NAME", help="of conf/loss (default: l2, l1_lpips, GANs)")
    add("--size", type=int, metavar="PIXELS", help="default 64, on a GPU 256")
    add("--batch", type=int, metavar="IMAGES", help="default 8, on a GPU 32")
    add("--codes", type=int, default=1024, metavar="K", help="of the codebook (default 1024)")
    add("--rounds", type=int, help="most rounds (default 5)")
    add("--budget", type=float, help="seconds for the rounds of one row (default 20)")
    add("--precision", choices=["fp32", "bf16", "fp16"], help="default fp32, on a GPU bf16")
    add("--compile", action="store_true", help="torch.compile, as trainer.compile=true does")
    add("--device", choices=["auto", "cpu", "cuda"], default="auto")
    add("--set", nargs="+", default=[], metavar="KEY=VALUE", dest="overrides",
        help="overrides of vqx.train for all rows, e.g. trainer.deterministic=false (the conv, l2 "
        "that rows stand beside takes only those of trainer)")  # fmt: skip
    add("--quick", action="store_true", help="32 px, 4 images, conv and resnet, 2 rounds")
    add("--out", type=Path, metavar="FILE.md", help="write tables as Markdown and CSV too")


def run(arguments: argparse.Namespace) -> None:
    """Measure all models with all losses, print the tables, write them."""
    from vqx.benchmarks.models_table import Results

    setting = _setting(arguments)
    cases = _cases(arguments)
    if arguments.out is not None and not arguments.out.parent.is_dir():
        raise ConfigError(f"--out {arguments.out}: there is no folder {arguments.out.parent}")
    results = Results()
    parameters: dict[str, int] = {}
    try:
        _measure_all(cases, setting, results)
        _count_all(parameters)
    finally:  # what is known, also after Ctrl-C
        _show(results, parameters, setting, arguments.out)
    _complain(results)


def _setting(arguments: argparse.Namespace) -> "Setting":
    from vqx.benchmarks.models_step import Setting
    from vqx.training.world import pick_device

    device = pick_device(arguments.device, 0).type
    usual = {**USUAL[device], "rounds": 5, "budget": 20.0, **(QUICK if arguments.quick else {})}
    names = ("size", "batch", "precision", "rounds", "budget")
    chosen = {
        n: usual[n] if getattr(arguments, n) is None else getattr(arguments, n) for n in names
    }
    for name in ("size", "batch", "rounds", "budget"):
        if chosen[name] <= 0:
            raise ConfigError(f"--{name} {chosen[name]:g}: use a positive number")
    return Setting(
        device=device,
        codes=arguments.codes,
        compiled=arguments.compile,
        overrides=tuple(arguments.overrides),
        **chosen,
    )


def _cases(arguments: argparse.Namespace) -> list["Case"]:
    """Models and losses asked for, model by model."""
    from vqx.benchmarks.models_step import LOSSES, MODELS, Case
    from vqx.config import conf_dir

    quick = QUICK if arguments.quick else {}
    models = arguments.models or quick.get("models") or list(MODELS)
    losses = arguments.losses or quick.get("losses") or list(LOSSES)
    known = sorted(path.stem for path in (conf_dir() / "loss").glob("*.yaml"))
    for what, names, there in (("model", models, list(MODELS)), ("loss", losses, known)):
        for name in names:
            if name not in there:
                raise ConfigError(f"no {what} '{name}'; there are: {', '.join(there)}")
    return [Case(*names) for names in itertools.product(models, losses)]


def _measure_all(cases: Sequence["Case"], setting: "Setting", results: "Results") -> None:
    from vqx.benchmarks.models_measuring import measure
    from vqx.benchmarks.worker import Worker

    # torch warns of tensors that are freed in a profile which began after them: a few bytes.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    worker = Worker(limited=setting.device == "cpu")
    try:
        for index, case in enumerate(cases, 1):
            show_progress(f"[{index}/{len(cases)}] {case}")
            results.cells[case] = worker(measure, case, setting)
            worker.close()  # a process a row: none finds what another has left
    finally:
        worker.close()
        show_progress("")


def _count_all(parameters: dict[str, int]) -> None:
    from vqx.benchmarks.models_parameters import PRINTED, counted

    for row in PRINTED:
        show_progress(f"parameters: {row.label}")
        parameters[row.label] = counted(row)
    show_progress("")


def _show(
    results: "Results", parameters: Mapping[str, int], setting: "Setting", out: Path | None
) -> None:
    from vqx.benchmarks.models_parameters import parameter_lines, parameters_table
    from vqx.reporting.markdown import render_markdown
    from vqx.runs.files import write_text_atomic

    device, caption = _device(setting), _caption(setting)
    tables = [results.table(caption, size=setting.size, device=device)]
    if parameters:
        tables.append(parameters_table(parameters))
    print("\n".join(_in_terminal(table) for table in tables), end="", flush=True)
    if out is not None:
        write_text_atomic(out, "\n".join(map(render_markdown, tables)))
        write_text_atomic(out.with_suffix(".csv"), csv_text(results.lines()))
        beside = out.with_name(f"{out.stem}-parameters.csv")
        write_text_atomic(beside, csv_text(parameter_lines(parameters)))


def _in_terminal(table: "Table") -> str:
    from vqx.reporting.terminal import render_terminal

    width = shutil.get_terminal_size((160, 24)).columns
    return render_terminal(table, width=width, bold=sys.stdout.isatty())


def _device(setting: "Setting") -> str:
    import torch

    if setting.device == "cuda":
        return torch.cuda.get_device_name()
    return f"CPU, {torch.get_num_threads()} threads"


def _caption(setting: "Setting") -> str:
    import torch

    pieces = [
        f"Optimizer steps, {_device(setting)}, {setting.batch} images of {setting.size} px",
        f"VQ of {setting.codes:,} codes, {setting.precision}",
        *(["compiled"] if setting.compiled else []),
        *setting.overrides,
        f"torch {torch.__version__}",
    ]
    return ", ".join(pieces)


def _complain(results: "Results") -> None:
    from vqx.benchmarks.worker import Failure

    failed = [str(case) for case, found in results.cells.items() if isinstance(found, Failure)]
    if failed:
        raise VqxError(f"failed: {'; '.join(failed)}; the notes of their rows say why")
