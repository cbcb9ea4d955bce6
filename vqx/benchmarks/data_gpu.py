"""How long a GPU waits for data: VQGAN's resnet at 256 px, fed by a loader or by one batch.

Axes: B images of a step, H W pixels.
"""

import itertools
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from vqx.benchmarks.alternation import seconds_of
from vqx.benchmarks.data_readers import Loader
from vqx.benchmarks.models_step import Case, Setting, TrainingStep, configuration
from vqx.benchmarks.worker import Failure
from vqx.reporting.cells import Cell, Table
from vqx.reporting.notes import Note

STEP = Case("resnet", "l2")
BATCH, SIZE, STEPS = 32, 256, 20
WARM_UP = 5
LOADERS: dict[Loader, str] = {"memory": "memmap", "ffcv": "raw"}  # and what they read of a stock
WANTED = 0.02  # share of the time that a GPU may wait
HEADER = ("loader", "images/s", "% waiting", "% of copies hidden", "note")
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Seconds of STEPS optimizer steps, a list over rounds, and what of the copies is hidden.

    `fed`: with batches of the loader; `resident`: with one batch that is on the GPU; `hidden`:
    share of the time of copies to the GPU in which it computes as well, None without any copy.
    """

    fed: Sequence[float]
    resident: Sequence[float]
    hidden: float | None

    @property
    def share(self) -> float:
        """Share of the time in which the GPU waits for data: median of the rounds."""
        return statistics.median(
            max(0.0, 1 - b / a) for a, b in zip(self.fed, self.resident, strict=True)
        )

    @property
    def speed(self) -> float:
        """Images a second that the loader feeds it with."""
        return BATCH * STEPS / statistics.median(self.fed)


class _FedStep(TrainingStep):
    def take(self, images: Tensor) -> None:
        """An optimizer step on uint8 `images` (B, 3, H, W), on the device."""
        self._images = images
        self.plain()


def waiting(root: Path, loader: Loader, *, workers: int, rounds: int) -> Waiting:
    """Measure `loader` on the prepared folder `root`, in a process that has done nothing else."""
    from vqx.data import folder, train_batches
    from vqx.training.rank import set_arithmetic

    device = torch.device("cuda")
    config = configuration(STEP, Setting("cuda", SIZE, BATCH, precision="bf16"))
    set_arithmetic(deterministic=config["trainer"]["deterministic"])
    step = _FedStep(config, device=device)
    one = torch.randint(256, (BATCH, 3, SIZE, SIZE), dtype=torch.uint8, device=device)
    data = folder(root=root, loader=loader, image_size=SIZE, workers=workers)
    steps = train_batches(data, batch_size=BATCH, seed=0, device=device)
    with closing(steps) as batches:
        fed = _repeated(step, (images for (images,) in batches))
        resident = _repeated(step, itertools.repeat(one))
        for call in (fed, resident):
            call(WARM_UP)
        times: dict[str, list[float]] = {"fed": [], "resident": []}
        for turn in range(rounds):
            pair = [("fed", fed), ("resident", resident)][:: -1 if turn % 2 else 1]
            for name, call in pair:
                times[name].append(seconds_of(partial(call, STEPS), device))
        return Waiting(times["fed"], times["resident"], _hidden(lambda: fed(STEPS)))


def waiting_table(found: Mapping[str, Waiting | Failure], device: str) -> Table:
    """What was found of each loader, as a table."""
    rows = []
    for name, one in found.items():
        if isinstance(one, Failure):
            rows.append(tuple(map(Cell, [name, "-", "-", "-", one.reason])))
            continue
        missed = " MISS" if one.share > WANTED else ""
        share = Cell(f"{100 * one.share:.1f}", mark=f" (≤ {100 * WANTED:g}){missed}")
        hidden = "-" if one.hidden is None else f"{100 * one.hidden:.0f}"
        rows.append((Cell(name), Cell(f"{one.speed:,.0f}"), share, Cell(hidden), Cell("")))
    caption = f"Steps of {STEP}, {BATCH} images of {SIZE} px, bf16, fed by loaders, {device}"
    notes = (
        Note("waiting", "1 - time with one batch that stays on the GPU / time with the loader's; "
             f"{STEPS} steps a round, median of ratios within a round"),
        Note("hidden", "share of the time of copies to the GPU in which it computes as well"),
    )  # fmt: skip
    return Table(caption, HEADER, tuple(rows), notes)


def _repeated(step: _FedStep, batches: Iterable[Tensor]) -> Callable[[int], None]:
    endless = iter(batches)

    def take(steps: int) -> None:
        for images in itertools.islice(endless, steps):
            step.take(images)

    return take


def _hidden(call: Callable[[], None]) -> float | None:
    """Share of the time of copies to the GPU during `call` in which kernels run."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        call()
        torch.cuda.synchronize()
    copies, kernels = [], []
    for event in profiled.events() or ():
        span = (event.time_range.start, event.time_range.end)
        if "Memcpy HtoD" in event.name:
            copies.append(span)
        elif not event.name.startswith(("Memcpy", "Memset")):
            kernels.append(span)
    return covered(copies, kernels)


def covered(spans: Sequence[Span], by: Sequence[Span]) -> float | None:
    """Share of the length of `spans` that lies in the union of `by`; None for no length."""
    whole = sum(stop - start for start, stop in spans)
    if not whole:
        return None
    merged: list[list[float]] = []
    for start, stop in sorted(by):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], stop)
        else:
            merged.append([start, stop])
    inside = sum(
        max(0.0, min(stop, last) - max(start, first))
        for start, stop in spans
        for first, last in merged
    )
    return inside / whole
