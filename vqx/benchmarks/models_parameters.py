"""Parameters of the seeds' models beside those that their texts print."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vqx.config import composed
from vqx.reporting.cells import Cell, Table
from vqx.reporting.notes import Note

CLOSE = 0.02  # of the printed number, which is rounded to two or three digits
_SIDE = 256  # pixels, of the images that a discriminator is built for
HEADER = ("model", "ours M", "theirs M", "ours / theirs", "within 2 %")
_LEGEND = (
    Note(
        "ours", "trained parameters, with those of the discriminator at 256 px in rows that say so"
    ),
    Note("theirs", "as their README prints them, or counted in their code"),
)


@dataclass(frozen=True, slots=True)
class Printed:
    """A row of a seed: its number of parameters and our overrides of vqx.train.

    stored: every number in the tokenizer's state counts, as in code that makes its codebook of
    moving averages, and the averages, parameters. `why`: what a known difference comes from.
    """

    label: str
    theirs: float
    overrides: tuple[str, ...]
    stored: bool = False
    discriminator: bool = False
    why: str = ""


PRINTED = (
    Printed(
        "MinVQVAE, codebook included",
        777e3,
        ("+experiment=minvqvae/unmasked_10_epochs",),
        stored=True,
    ),
    Printed("SerezD, standard K 4096", 36.6e6, ("+experiment=serezd/standard_vqvae_cb4096",)),
    Printed("SerezD, EMA K 4096", 35.6e6, ("+experiment=serezd/ema_vqvae_cb4096",)),
    Printed(
        "SerezD, gumbel K 4096",
        55.4e6,
        ("+experiment=serezd/gumbel_vqvae_cb4096",),
        why="its encoder gives K channels, and a layer of K x K follows",
    ),
    Printed(
        "SerezD, K 1024, discriminator included",
        64.7e6,
        ("+experiment=serezd/standard_vqgan_cb1024_adaptive_R1",),
        discriminator=True,
    ),
    Printed("swasun, VQ", 0.61e6, ("+experiment=swasun/original_shuffled",)),
    Printed(
        "swasun, EMA, codebook and averages included",
        0.65e6,
        ("+experiment=swasun/ema_shuffled",),
        stored=True,
    ),
    Printed(
        "boessen, f8, widths 32 64 128, no norm, codebook and averages included",
        0.74e6,
        (
            "+experiment=boessen/staged",
            "scale=small",
            "model.widths=[32,64,128]",
            "model.norm=null",
        ),
        stored=True,
    ),
    Printed(
        "Doraemonzzz, FSQ 8-5-5-5, width 128",
        1.06e6,
        ("+experiment=doraemonzzz/fsq_8_5_5_5_fp32", "model.width=128"),
    ),
)


def counted(row: Printed) -> int:
    """Our number of parameters of `row`."""
    from vqx.training.experiment import build_tokenizer

    config = composed(row.overrides)
    tokenizer = build_tokenizer(config, image_channels=3)
    if row.stored:
        return sum(value.numel() for value in tokenizer.state_dict().values())
    trained = sum(p.numel() for p in tokenizer.parameters() if p.requires_grad)
    return trained + (_discriminator(config["loss"]) if row.discriminator else 0)


def _discriminator(loss: Mapping[str, Any]) -> int:
    """Parameters of the discriminator in a node of conf/loss; nothing else of it is built."""
    from vqx.training.experiment import construct

    nodes = [weighted["term"] for weighted in loss["terms"].values()]
    term = construct(next(node for node in nodes if "discriminator" in node), what="loss")
    term.attach(image_channels=3, image_size=_SIDE)
    return sum(parameter.numel() for parameter in term.discriminator.parameters())


def parameters_table(ours: Mapping[str, int], rows: Sequence[Printed] = PRINTED) -> Table:
    """Numbers `ours`, by label, beside the printed ones."""
    cells = tuple(_row(row, ours[row.label]) for row in rows if row.label in ours)
    return Table("Parameters beside what the seeds print", HEADER, cells, _LEGEND)


def _row(row: Printed, ours: int) -> tuple[Cell, ...]:
    ratio = ours / row.theirs
    verdict = (
        "yes"
        if abs(ours - row.theirs) <= CLOSE * row.theirs
        else "no" + (f": {row.why}" if row.why else "")
    )
    return (
        Cell(row.label),
        Cell(f"{ours / 1e6:.3f}"),
        Cell(f"{row.theirs / 1e6:.4g}", grey=True),
        Cell(f"{ratio:.3f}"),
        Cell(verdict),
    )


def parameter_lines(
    ours: Mapping[str, int], rows: Sequence[Printed] = PRINTED
) -> list[dict[str, object]]:
    """The same with all digits, a mapping a row."""
    return [
        {
            "row": row.label,
            "ours": ours[row.label],
            "theirs": round(row.theirs),
            "ratio": ours[row.label] / row.theirs,
        }
        for row in rows
        if row.label in ours
    ]
