"""What ImageNet at 256 px asks of a machine of 8 GPUs, on paper, from measured figures."""

from collections.abc import Mapping
from dataclasses import dataclass

from vqx.benchmarks.data_measuring import BASELINE, READERS, Found, Measured
from vqx.reporting.cells import Cell, Table
from vqx.reporting.notes import Note

IMAGES = 1_281_167 + 50_000  # of training and validation
GPUS = 8
# Images a second that a GPU trains on. 169: the 36.6 M resnet of the field's published runs on one
# A100 (2.108 GPU hours an epoch of ImageNet); the others: smaller models, newer GPUs.
SPEEDS = (169, 1_000, 3_000)
SHOWN = ("memory", "memmap", "ffcv raw", "ffcv jpg", "folder", BASELINE)


@dataclass(frozen=True, slots=True)
class Need:
    """What a loader needs: bytes stored, bytes read a second, processors busy."""

    stored: float
    read: float
    cores: float


def need(*, stored: float, processor: float, speed: float, gpus: int = GPUS) -> Need:
    """Of a loader that takes `stored` bytes and `processor` seconds an image.

    `speed`: images a second that each of the `gpus` trains on.
    """
    wanted = speed * gpus
    return Need(stored * IMAGES, stored * wanted, processor * wanted)


def scale_table(found: Mapping[str, Found], caption: str) -> Table | None:
    """The table from the figures of 256 -> 256; None where no loader was measured there."""
    rows = []
    for name in SHOWN:
        measured = found.get(name)
        if isinstance(measured, Measured):
            rows.append(tuple(map(Cell, [name, *_texts(measured), _remark(name)])))
    if not rows:
        return None
    header = ["loader", "GB stored"]
    for speed in SPEEDS:
        header += [f"MB/s at {speed:,}", f"cores at {speed:,}"]
    return Table(caption, (*header, "note"), tuple(rows), _notes())


def _texts(measured: Measured) -> list[str]:
    needs = [
        need(stored=measured.stored, processor=measured.processor, speed=speed) for speed in SPEEDS
    ]
    texts = [f"{needs[0].stored / 1e9:,.0f}"]
    for one in needs:
        cores = f"{one.cores:.1f}" if one.cores < 10 else f"{one.cores:,.0f}"
        texts += [f"{one.read / 1e6:,.0f}", cores]
    return texts


def _remark(name: str) -> str:
    if name == "memory":
        return "all of it in the memory of each process"
    if name == BASELINE:
        return "floats made by the workers"
    return "files of 256 px" if READERS[name].form == "files" else ""


def _notes() -> tuple[Note, ...]:
    speeds = ", ".join(f"{speed:,}" for speed in SPEEDS)
    return (
        Note(
            "assumed",
            f"{IMAGES:,} images, short side 256 px; {GPUS} GPUs that train on {speeds} images a "
            "second each (169: VQGAN's 36.6 M resnet on an A100)",
        ),
        Note(
            "MB/s, cores",
            "of all GPUs together, by bytes and processor time an image of 256 -> 256 above; pages "
            "that stay in memory are not read again. ImageNet's own files are larger (110 kB) and "
            "are resized too: folder then needs more",
        ),
    )
