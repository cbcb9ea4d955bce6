"""`python -m vqx.bench metrics`: the full metric set beside a plain torchmetrics loop."""

import argparse
import importlib.util
import shutil
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vqx.benchmarks.progress import show_progress
from vqx.errors import VqxError

if TYPE_CHECKING:
    from vqx.reporting.cells import Table

DESCRIPTION = """Images a second of all metrics of an evaluation (ImageErrors, LPIPS, a Frechet
distance) beside a plain torchmetrics loop, in alternating rounds on the same images.

  python -m vqx.bench metrics                          64, 128 and 256 px
  python -m vqx.bench metrics --sizes 64 --images 64

first: no reference statistics in the cache; later: with them, as in every evaluation of a set but
its first one. The plain loop: PSNR, SSIM and FID of torchmetrics, LPIPS of the lpips package, with
the same weights. The Frechet distance is of the FID Inception, or of VGG16 where its weights are
missing."""

TOLERANCE = 1e-4  # relative, between the values of both sides
WANTED = 1.5
COMPARED = ("psnr", "ssim", "lpips")
HEADER = ("px", "plain img/s", "first img/s", "first / plain", "later img/s", "later / plain",
          "rounds", *COMPARED)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One size: seconds an evaluation of each side by round, and the values of both."""

    size: int
    images: int
    seconds: Mapping[str, list[float]]
    plain: Mapping[str, float]
    ours: Mapping[str, float]

    def speed(self, side: str) -> float:
        """Images a second, the median of rounds."""
        return self.images / statistics.median(self.seconds[side])

    def ratio(self, side: str) -> float:
        """How many times as fast as the plain loop, the median of ratios within a round."""
        pairs = zip(self.seconds["plain"], self.seconds[side], strict=True)
        return statistics.median(plain / ours for plain, ours in pairs)

    def agrees(self, key: str) -> bool:
        """Whether both sides' values are the same to TOLERANCE."""
        plain, ours = self.plain[key], self.ours[key]
        return abs(plain - ours) <= TOLERANCE * max(abs(plain), abs(ours))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line can say."""
    parser.description = DESCRIPTION
    add = parser.add_argument
    add("--sizes", nargs="+", type=int, default=[64, 128, 256], metavar="PX")
    add("--images", type=int, default=32, metavar="N", help="images of an evaluation (default 32)")
    add("--batch", type=int, default=32, metavar="B", help="evaluation_batch_size (default 32)")
    add("--rounds", type=int, default=5, help="most rounds (default 5)")
    add("--budget", type=float, default=90.0, help="seconds for the rounds of a size (default 90)")
    add("--device", choices=["cpu", "cuda"], default="cpu")
    add("--cache-dir", type=Path, help="of the weights (default: $VQX_CACHE, else ~/.cache/vqx)")
    add("--out", type=Path, metavar="FILE", help="write the table as Markdown too")


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    if importlib.util.find_spec("torchmetrics") is None:
        raise VqxError("no torchmetrics to compare with: pip install torchmetrics")
    if min(*arguments.sizes, 1 << 20) < 32 or arguments.images < 2 or arguments.batch < 1:
        raise VqxError("sizes from 32 px, at least 2 images and batches of at least 1 are needed")
    from vqx.benchmarks.metrics_sides import frechet_network
    from vqx.reporting.markdown import render_markdown
    from vqx.reporting.terminal import render_terminal
    from vqx.runs.files import write_text_atomic

    network = frechet_network(arguments.cache_dir)
    rows = []
    for size in arguments.sizes:
        show_progress(f"{size} px: {arguments.images} images")
        rows.append(_measure(size, arguments))
    show_progress("")
    found = table(rows, network=network, device=arguments.device, batch=arguments.batch)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 1 << 20
    print(render_terminal(found, width=width, bold=sys.stdout.isatty()))
    if arguments.out is not None:
        write_text_atomic(arguments.out, render_markdown(found))
    wrong = [f"{key} at {row.size} px" for row in rows for key in row.plain if not row.agrees(key)]
    if wrong:
        raise VqxError(f"not the same numbers to {TOLERANCE:g}: {', '.join(wrong)}")


def _measure(size: int, arguments: argparse.Namespace) -> Row:
    import torch

    from vqx.benchmarks.alternation import alternate
    from vqx.benchmarks.metrics_sides import OurMetrics, PlainLoop, draw_pictures

    device, cache_dir = torch.device(arguments.device), arguments.cache_dir
    pictures = draw_pictures(arguments.images, size, batch=arguments.batch, device=device)
    with tempfile.TemporaryDirectory(prefix="vqx-bench-") as folder:
        statistics_folder = Path(folder) / "cache"
        ours = OurMetrics(cache_dir=cache_dir, statistics=statistics_folder, device=device)
        plain = PlainLoop(cache_dir=cache_dir, device=device)
        values = plain.evaluate(pictures), ours.first(pictures)  # these warm up, too
        seconds = alternate(
            {
                "plain": lambda: plain.evaluate(pictures),
                "first": lambda: ours.first(pictures),
                "later": lambda: ours.evaluate(pictures),
            },
            device,
            rounds=arguments.rounds,
            budget=arguments.budget,
        )
    return Row(size, arguments.images, seconds, *values)


def table(rows: Sequence[Row], *, network: str, device: str, batch: int) -> "Table":
    """All rows, and what they mean."""
    from vqx.reporting.cells import Cell, Table
    from vqx.reporting.notes import Note

    distance = next(key for key in rows[0].plain if key not in COMPARED)
    notes = [
        Note("plain", "torchmetrics and lpips, float32; both networks see real and fake each time"),
        Note("ssim", "torchmetrics' map without the border that it reflects, as vqx measures it"),
        Note("first", "no reference statistics in the cache"),
        Note("later", "with them, as in each evaluation of a set but its first one"),
        Note("ratios", f"medians within rounds; at least {WANTED} is wanted"),
        Note("metrics", f"vqx / plain; the same to {TOLERANCE:g} relative, or DIFFERENT"),
    ]
    if network != "inception":
        missing = "the FID Inception's weights are missing: see python -m vqx.prepare weights"
        notes.append(Note(distance, f"VGG16's features; {missing}"))
    body = tuple(tuple(map(Cell, _texts(row, distance))) for row in rows)
    caption = f"All metrics beside a plain torchmetrics loop, {device}, batches of {batch}"
    return Table(caption, (*HEADER, distance), body, tuple(notes))


def _texts(row: Row, distance: str) -> list[str]:
    speeds = [f"{row.speed('plain'):,.2f}"]
    for side in ("first", "later"):
        ratio = row.ratio(side)
        speeds += [f"{row.speed(side):,.2f}", f"{ratio:.2f}" + ("" if ratio >= WANTED else " MISS")]
    values = [
        f"{row.ours[key]:.6g} / {row.plain[key]:.6g}" + ("" if row.agrees(key) else " DIFFERENT")
        for key in (*COMPARED, distance)
    ]
    return [str(row.size), *speeds, str(len(row.seconds["plain"])), *values]
