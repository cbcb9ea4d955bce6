"""Figures of the models' benchmark as a table and as lines of a CSV file."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vqx.benchmarks.models_measuring import REFERENCE, Measured, Missing
from vqx.benchmarks.models_step import Case
from vqx.benchmarks.worker import Failure
from vqx.reporting.cells import Cell, Table
from vqx.reporting.notes import Note

ABSENT = "-"
MIB = 1 << 20
HEADER = (
    "model, loss",
    "tokens",
    "M tokenizer",
    "M discriminator",
    "ms",
    "images/s",
    f"x {REFERENCE}",
    "GFLOP/image",
    "% of peak",
    "MiB",
    "rounds",
    "note",
)
_LEGEND = (
    ("ms", "a whole optimizer step as the trainer takes it, on images that are on the device: "
     "tokenizer, losses, adaptive weight, discriminator and both optimizers; the discriminator has "
     "started; median of rounds. A step with R1 counts once in its interval"),
    (f"x {REFERENCE}", "median of ratios to that row's step in the same round; its own row shows "
     "what noise there is"),
    ("% of peak", "operations of matrix products and convolutions of the step over those of a "
     "large matrix product (float32 on a CPU, bfloat16 on a GPU) in the same time, median of "
     "ratios within a round"),
    ("MiB", "peak of all tensors in the longest step: weights, optimizers, networks of losses, "
     "gradients and what is kept for the backward pass"),
)  # fmt: skip

# Images a second of SerezD/vqvae-vqgan-pytorch-lightning on one A100 at 256 px, from the hours an
# ImageNet epoch that it prints, 2.108 and 10.223 (fp16, batch 256 in all).
SEED_SPEEDS = {
    Case("resnet", "l2"): ("standard_vqvae_cb1024", 169.0),
    Case("resnet", "serezd_gan_adaptive_r1"): ("standard_vqgan_cb1024_adaptive_R1", 35.0),
}
SEED_SIZE = 256  # pixels

Found = Measured | Missing | Failure


@dataclass(slots=True)
class Results:
    """Rows in order."""

    cells: dict[Case, Found] = field(default_factory=dict)

    def table(self, caption: str, *, size: int, device: str) -> Table:
        """All of it as a table; `size` in pixels and the device's name for what is compared."""
        rows = tuple(_row(case, found) for case, found in self.cells.items())
        notes = [Note(about, text) for about, text in _LEGEND]
        best = [found.peak_flops for found in self.cells.values() if isinstance(found, Measured)]
        if best:
            notes.append(Note("peak", f"{max(best) / 1e12:,.3g} TFLOP/s, the best product"))
        return Table(caption, HEADER, rows, (*notes, *seed_notes(self.cells, size, device)))

    def lines(self) -> list[dict[str, object]]:
        """All of it with all digits, a mapping a row."""
        return [_line(case, found) for case, found in self.cells.items()]


def seed_notes(cells: Mapping[Case, Found], size: int, device: str) -> list[Note]:
    """Speeds beside the ones that a seed prints, where the images are as large as its own."""
    notes = []
    for case, (row, theirs) in SEED_SPEEDS.items():
        found = cells.get(case)
        if size == SEED_SIZE and isinstance(found, Measured):
            ours = found.images_per_second
            text = (
                f"{ours:,.3g} images/s on {device}; SerezD's {row} {theirs:g} on one A100: "
                f"{ours / theirs:.2f} times as fast"
            )
            notes.append(Note(str(case), text))
    return notes


def _row(case: Case, found: Found) -> tuple[Cell, ...]:
    if isinstance(found, Measured):
        texts = _texts(found)
    else:
        why = found.remedy if isinstance(found, Missing) else f"failed: {found.reason}"
        texts = [*[ABSENT] * (len(HEADER) - 2), why]
    return tuple(Cell(text) for text in [str(case), *texts])


def _texts(found: Measured) -> list[str]:
    height, width = found.grid
    theirs = found.discriminator_parameters
    return [
        f"{height}x{width}",
        f"{found.parameters / 1e6:.2f}",
        f"{theirs / 1e6:.2f}" if theirs else ABSENT,
        _number(1e3 * found.seconds),
        _number(found.images_per_second),
        _number(found.of_reference),
        _number(found.flops / found.batch / 1e9),
        _number(100 * found.of_peak),
        f"{(found.held + found.peak) / MIB:,.0f}",
        str(found.rounds),
        f"R1 every {found.interval} steps" if found.interval else "",
    ]


def _number(value: float) -> str:
    return f"{value:,.3g}" if value < 100 else f"{value:,.0f}"


def _line(case: Case, found: Found) -> dict[str, object]:
    names: dict[str, object] = {"model": case.model, "loss": case.loss}
    if isinstance(found, Missing):
        return {**names, "note": found.remedy}
    if isinstance(found, Failure):
        return {**names, "note": f"failed: {found.reason}"}
    return {
        **names,
        "latent_height": found.grid[0],
        "latent_width": found.grid[1],
        "parameters": found.parameters,
        "discriminator_parameters": found.discriminator_parameters,
        "seconds": found.seconds,
        "images_per_second": found.images_per_second,
        "of_reference": found.of_reference,
        "flops": round(found.flops),
        "share_of_peak": found.of_peak,
        "peak_flops_per_second": found.peak_flops,
        "held_bytes": found.held,
        "peak_bytes": found.held + found.peak,
        "rounds": found.rounds,
        "r1_interval": found.interval,
        "note": "",
    }
