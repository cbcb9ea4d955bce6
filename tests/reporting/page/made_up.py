"""Pages of made-up runs: curves, pictures, hostile names and all that can go wrong."""

import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.runs.synthetic import config_of, result_of, write_run
from vqx.reporting.cells import Cell, Table
from vqx.reporting.columns import COLUMNS, Column
from vqx.reporting.frame import Frame, Row, build_frame, state_word
from vqx.reporting.notes import Note
from vqx.reporting.page import Page
from vqx.reporting.statistics import summarize
from vqx.runs.reading import read_runs
from vqx.runs.status import State

HOSTILE = "<script>document.title='run'</script><img src=x onerror=document.title='image'>"
SHOWN = ("codes", "usage", "perplexity", "psnr", "ssim", "lpips", "parameters")
MARKDOWN = "| quantizer | PSNR |\n| --- | ---: |\n| a\\_b \\<x\\> | **25.00** |\n"
LATEX = "\\begin{tabular}{lr}\n\\toprule\na\\_b & $25 \\pm 1$ \\\\\n\\end{tabular}\n"


def write_curves(folder: Path, *, seed: int, psnr: float, steps: int = 800) -> None:
    """A metrics.jsonl with a training line every 2 steps and four evaluations."""
    noise = random.Random(seed)
    lines = []
    for step in range(2, steps + 1, 2):
        head = {"step": step, "images_seen": 32 * step, "time": 0.11 * step}
        loss = 0.4 * math.exp(-step / 150) + 0.02 + noise.gauss(0, 0.003)
        used = {"usage": 1 - math.exp(-step / 200), "perplexity": 600 * (1 - math.exp(-step / 250))}
        lines.append({**head, "kind": "train", "loss": loss, "l2": loss * 0.9, **used})
        if step % (steps // 8) == 0:
            value = psnr - 6 * math.exp(-step / 250) + noise.gauss(0, 0.2)
            lines.append({**head, "kind": "evaluate", "psnr": value, "ssim": value / 31})
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text)


def write_pictures(folder: Path, *, blur: float, count: int = 8, side: int = 32) -> None:
    """inputs.png and outputs.png: the same shapes, then the same with noise."""
    (folder / "images").mkdir(exist_ok=True)
    across, down = np.meshgrid(np.arange(side), np.arange(side))
    noise = np.random.default_rng(0)
    images = []
    for index in range(count):
        ring = np.hypot(across - side / 2, down - side / 2) < 4 + index
        image = np.stack([ring * 200, across * 255 / side, down * 255 / side], axis=2)
        images.append(image)
    strip = np.concatenate(images, axis=1)
    Image.fromarray(strip.astype(np.uint8)).save(folder / "images" / "inputs.png")
    wrong = (strip + noise.normal(0, blur, strip.shape)).clip(0, 255).astype(np.uint8)
    Image.fromarray(wrong).save(folder / "images" / "outputs.png")


def write_whole(runs: Path, config: dict[str, Any], *, psnr: float, **options: Any) -> Path:
    """A run folder with curves and pictures."""
    result = result_of(config, psnr=psnr)
    result["model"]["parameters"] = 300_000 + 40_000 * int(psnr)
    result["model"]["bits_per_image"] = 2000 + 100 * math.floor(psnr * 3 % 7)
    done = options.get("state", State.DONE) == State.DONE
    folder = write_run(runs, config, result=result if done else None, **options)
    write_curves(folder, seed=config["seed"], psnr=psnr)
    if done:
        write_pictures(folder, blur=2 * (30 - psnr))
    return folder


def write_many(runs: Path, *, rows: int, seeds: int = 3) -> None:
    """So many rows of runs, all done."""
    noise = random.Random(7)
    for index in range(rows):
        name, psnr = ("vq", "ema")[index % 2], 22 + 4 * noise.random()
        for seed in range(seeds):
            size = 256 + 32 * index
            config = config_of(name, seed=seed, codebook_size=size, quantizer__codebook_size=size)
            write_whole(runs, config, psnr=psnr + noise.gauss(0, 0.15))


def write_troubled(runs: Path) -> None:
    """One run of each sorry state, one with a hostile name, one of an older version."""
    write_run(
        runs,
        config_of("vq", codebook_size=4096),
        state=State.FAILED,
        message=f"RuntimeError: {HOSTILE}",
        step=130,
    )
    (next(runs.glob("*4096*")) / "error.txt").write_text(f"Traceback:\n</script>{HOSTILE}\n")
    write_run(runs, config_of("vq", codebook_size=2048), state=State.RUNNING, heartbeat=1.0)
    write_run(runs, config_of("fsq", levels=[7, 5, 5, 5]), state=State.QUEUED)
    collapsed = config_of("vq", codebook_size=8192)
    write_run(
        runs,
        collapsed,
        state=State.COLLAPSED,
        result=result_of(collapsed, psnr=17),
        message="usage fell to 0.01 at step 40",
    )
    diverged = config_of("ema", codebook_size=8)
    write_run(runs, diverged, state=State.DIVERGED, message="loss is NaN at step 12", step=12)
    hostile = config_of("fsq", levels=HOSTILE)
    hostile["quantizer"]["levels"] = HOSTILE
    write_run(runs, hostile, result=result_of(hostile, psnr=23.5))


def table_of(frame: Frame, *, keys: Sequence[str] = SHOWN, published: bool = False) -> Table:
    """A table with every field of its cells filled, as the report's own does."""
    columns = [next(c for c in COLUMNS if c.key == key) for key in keys]
    rows = [_line(row, columns) for row in frame.rows]
    lines: list[Row | None] = list(frame.rows)
    if published:
        rows.append(_printed(len(columns)))
        lines.append(None)
    return Table(
        caption="photos (validation, 900 images) · conv model · 800 steps of batch 32",
        header=(frame.heading, *(column.header for column in columns), "n", "state"),
        rows=tuple(rows),
        notes=(
            Note("confound", "code 1234567 in some rows, 7654321 in others"),
            Note("PSNR", "per image then mean, `range 255`, 900 images"),
        ),
        keys=("row", *keys, "n", "state"),
        lines=tuple(lines),
    )


def _line(row: Row, columns: Sequence[Column]) -> tuple[Cell, ...]:
    cells = [_cell(column, row) for column in columns]
    states = sorted({state_word(run) for run in row.runs})
    return Cell(row.label), *cells, Cell(str(len(row.results))), Cell(", ".join(states))


def _cell(column: Column, row: Row) -> Cell:
    values = [v for result in row.results if (v := column.value(result)) is not None]
    summary = summarize(values)
    if summary is None:
        return Cell("-")
    spread = "" if summary.std is None or not column.spread else column.text(summary.std)
    seeds = ", ".join(column.text(value) for value in values)
    hover = f"n = {len(values)}: {seeds}\nprotocol of {column.title}"
    best = column.key == "psnr" and summary.mean > 25.5
    text = column.text(summary.mean)
    return Cell(text, spread, best=best, value=summary.mean, hover=hover)


def _printed(columns: int) -> tuple[Cell, ...]:
    numbers = (Cell("24.1", mark="¹", grey=True) for _ in range(columns))
    label, n, state = (Cell(text, grey=True) for text in ("↳ published: VQ", "", "published¹"))
    return label, *numbers, n, state


def page_of(runs: Path, *, title: str = "Quantizers", published: bool = True) -> Page:
    """The page of all runs in a folder."""
    found, _ = read_runs([str(runs)])
    frame = build_frame(found)
    paired = Table(
        caption="differences from ema, paired by seed",
        header=("quantizer", "PSNR ↑ dB", "n"),
        rows=((Cell("vq"), Cell("-0.50", "0.10", value=-0.5), Cell("3")),),
        notes=(),
        keys=("row", "psnr", "n"),
        name="Paired differences",
    )
    return Page(
        title=title,
        tables=(table_of(frame, published=published), paired),
        frame=frame,
        markdown=MARKDOWN,
        latex=LATEX,
        command="python -m vqx.report html=report.html",
    )
