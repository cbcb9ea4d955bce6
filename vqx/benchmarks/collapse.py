"""`python -m vqx.bench collapse`: which starts and which remedies keep a codebook alive.

A toy autoencoder is trained with each quantizer and seed as ordinary runs, in minutes on a CPU.
"""

import argparse
import contextlib
import io
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from vqx.config import composed, run_name
from vqx.errors import ConfigError, Interrupted, VqxError
from vqx.reporting.csv import render_rows, render_runs
from vqx.reporting.frame import Frame, Row, build_frame
from vqx.reporting.main_table import build_table
from vqx.reporting.markdown import render_markdown
from vqx.reporting.options import results
from vqx.runs.durations import duration
from vqx.runs.files import write_text_atomic
from vqx.runs.folder import RunFolder
from vqx.runs.reading import Run, read_run
from vqx.runs.status import State

# f4 on 32 px: 64 tokens an image, 1,024 a step.
_TOY = (
    "data=photos",
    "data.image_size=32",
    "model.downsampling=4",
    "model.width=32",
    "model.residual_width=16",
    "metrics=fast",
    "trainer.device=cpu",
    "trainer.batch_size=16",
    "trainer.log_every=10",
    "trainer.evaluate_every=null",
    "trainer.checkpoint_every=200",
)
_CODEBOOK = ("codebook_size=256", "latent_channels=32")
_NO, _YES = "restart=none", "restart=batch_vectors"
_EMA = {
    "zeros": ("ema_init=zeros",),
    "ones": ("ema_init=ones",),
    "batch": ("init=batch",),
    "kmeans": ("init=kmeans",),
}
# Where the entropies of published code are taken: sigmoids that only latents near 0 feel.
_SHARP = "quantizer.temperature=0.01"
_COLUMNS = ("codes", "usage", "perplexity", "psnr")
_TITLE = """\
# Codebook collapse on a toy autoencoder

`{command}` made this: rows {rows}, seeds each {seeds},
photographs of 32 px at f4 (64 tokens an image, 1,024 a step). Usage and perplexity are of the whole
evaluation set; usage alone misleads. A row is `collapsed` where usage ends under 5 %.

![Codes used in each 10 steps of training; bands span the seeds](collapse.png)

"""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One row: its name, and what it says beside the toy's own overrides."""

    label: str
    overrides: tuple[str, ...]


def recipes() -> list[Recipe]:
    """All rows, in the order of the table. Every codebook has 256 codes."""
    ema = [
        Recipe(f"ema {name}{said}", ("quantizer=ema", *_CODEBOOK, *start, restart))
        for restart, said in ((_NO, ""), (_YES, " + restart"))
        for name, start in _EMA.items()
    ]
    vq = ("quantizer=vq", *_CODEBOOK)
    lfq = ("quantizer=lfq", "bits=8")
    return [
        *ema,
        Recipe("vq", (*vq, _NO)),
        Recipe("vq + restart", (*vq, _YES)),
        Recipe("simvq", ("quantizer=simvq", *_CODEBOOK, _NO)),
        Recipe("lfq", (*lfq, "commitment=0", "entropy_weight=0")),
        Recipe("lfq + entropy", lfq),
        Recipe("lfq + entropy as published", (*lfq, "entropy_weight=0.1", _SHARP)),
        Recipe("fsq", ("quantizer=fsq", "levels=[8,8,4]")),
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m vqx.bench collapse`."""
    parser.description = (
        "Train a toy autoencoder on photographs with 256 codes, a row a method, and write usage "
        "and perplexity as a table and a picture. Minutes on a CPU; finished runs are kept.\n\n"
        "Rows: " + ", ".join(recipe.label for recipe in recipes())
    )
    parser.add_argument("--steps", type=int, default=600, help="steps a run (default 600)")
    parser.add_argument("--seeds", type=int, default=2, help="seeds a row (default 2)")
    parser.add_argument(
        "--rows", nargs="+", default=["*"], metavar="NAME", help="rows, e.g. fsq 'ema *' (all)"
    )
    parser.add_argument(
        "--out", type=Path, default=None, help="folder of table and picture (results/tables)"
    )
    parser.add_argument(
        "--runs", type=Path, default=None, help="folder of the runs (results/collapse)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Train what is not done, then write collapse.md, .csv, -runs.csv and .png.

    Raises ConfigError for options that cannot be, VqxError after all else when a run failed.
    """
    for name in ("steps", "seeds"):
        if getattr(arguments, name) < 1:
            raise ConfigError(f"--{name} {getattr(arguments, name)}: use 1 or more")
    chosen = [r for r in recipes() if any(fnmatch(r.label, p) for p in arguments.rows)]
    if not chosen:
        names = ", ".join(recipe.label for recipe in recipes())
        raise ConfigError(f"--rows {' '.join(arguments.rows)}: no such row; there are {names}")
    place = arguments.runs or results() / "collapse"
    planned = [
        _plan(recipe, seed, arguments.steps, place)
        for recipe in chosen
        for seed in range(arguments.seeds)
    ]
    failures = _train_all(planned)
    command = f"python -m vqx.bench collapse --steps {arguments.steps} --seeds {arguments.seeds}"
    _report(planned, command, arguments.out or results() / "tables")
    if failures:
        raise VqxError(f"{failures} of {len(planned)} runs failed: see error.txt in {place}/runs")


@dataclass(frozen=True, slots=True)
class _Planned:
    recipe: Recipe
    seed: int
    overrides: list[str]
    config: dict[str, Any]
    folder: RunFolder


def _plan(recipe: Recipe, seed: int, steps: int, place: Path) -> _Planned:
    warmup = min(50, steps - 1)
    own = (f"seed={seed}", f"trainer.steps={steps}", f"trainer.warmup_steps={warmup}")
    overrides = [*_TOY, *recipe.overrides, *own, f"results={place}"]
    config = composed(overrides)
    folder = RunFolder(place / "runs" / run_name(config))
    return _Planned(recipe, seed, overrides, config, folder)


def _train_all(planned: Sequence[_Planned]) -> int:
    """Train the planned runs one after another; the number of those that failed."""
    import torch

    torch.set_num_threads(1)  # a second thread gains little here, and loses much on a busy machine
    seconds: list[float] = []
    failures = 0
    left = [plan for plan in planned if not plan.folder.is_done]
    print(f"{len(planned)} runs, {len(planned) - len(left)} done already", flush=True)
    for index, plan in enumerate(left, 1):
        start = time.perf_counter()
        said = _attempt(plan)
        seconds.append(time.perf_counter() - start)
        failures += said is not None
        rest = duration(statistics.fmean(seconds) * (len(left) - index))
        print(
            f"[{index}/{len(left)}] {plan.recipe.label}, seed {plan.seed}: "
            f"{said or _summary(plan)} ({duration(seconds[-1])}; {rest} left)",
            flush=True,
        )
    return failures


def _attempt(plan: _Planned) -> str | None:
    """Train one run; what went wrong, or None. Raises Interrupted when a signal asked to stop."""
    from vqx.training.launch import run_training

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            signal_number = run_training(plan.config, plan.folder, overrides=plan.overrides)
    except Interrupted:
        raise
    except Exception as error:  # the others go on; its traceback is in error.txt
        name = "" if isinstance(error, VqxError) else f"{type(error).__name__}: "
        return f"failed: {name}{(str(error).splitlines() or [''])[0]}"
    if signal_number:
        raise Interrupted("stopped between two runs", signal_number=signal_number)
    return None


def _summary(plan: _Planned) -> str:
    result = plan.folder.read_result()
    assert result is not None
    value = {key: metric["value"] for key, metric in result["metrics"].items()}
    run = read_run(plan.folder.path)
    collapsed = isinstance(run, Run) and run.state is State.COLLAPSED
    return (
        f"usage {value['usage']:.1%}, perplexity {value['perplexity']:.1f}, "
        f"PSNR {value['psnr']:.2f} dB{', collapsed' if collapsed else ''}"
    )


def _report(planned: Sequence[_Planned], command: str, out: Path) -> None:
    """Write tables and picture of the runs there are, and show where."""
    from vqx.benchmarks.usage_curves import plot_usage

    out.mkdir(parents=True, exist_ok=True)
    found = {plan.folder.path.name: read_run(plan.folder.path) for plan in planned}
    labels = {plan.folder.path.name: plan.recipe.label for plan in planned}
    runs = [run for run in found.values() if isinstance(run, Run)]
    frame = _named(build_frame(runs), labels)
    seeds = len({plan.seed for plan in planned})
    title = _TITLE.format(command=command, rows=len(frame.rows), seeds=seeds)
    table = render_markdown(build_table(frame, columns=_COLUMNS))
    write_text_atomic(out / "collapse.md", title + table)
    write_text_atomic(out / "collapse.csv", render_rows(frame))
    write_text_atomic(out / "collapse-runs.csv", render_runs(frame))
    curves = {row.label: [run.folder.metrics for run in row.runs] for row in frame.rows}
    plot_usage(curves, out / "collapse.png")
    print(f"\n{table}\nwrote {out}/collapse.md, .csv, -runs.csv and .png")


def _named(frame: Frame, labels: dict[str, str]) -> Frame:
    """`frame` with the recipes' own names, in their order."""
    order = list(dict.fromkeys(labels.values()))
    rows: list[Row] = [replace(row, label=labels[_name_of(row)]) for row in frame.rows]
    rows.sort(key=lambda row: order.index(row.label))
    return Frame("quantizer", tuple(rows), {})


def _name_of(row: Row) -> str:
    return row.runs[0].folder.path.name
