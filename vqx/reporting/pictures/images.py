"""The same validation images through every row: the figure that papers show.

Axes: N images, H W pixels, 3 colours.
"""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vqx.reporting.columns import Column
from vqx.reporting.frame import Row, seed_of
from vqx.reporting.notes import Note
from vqx.reporting.pictures.image_files import Pixels, Shown, images_of
from vqx.reporting.pictures.lettering import LETTER, inches, plain
from vqx.reporting.pictures.picture import Picture, nothing, omission_notes
from vqx.reporting.pictures.style import DPI, GREY, WIDTHS, look, new_figure

NAME = "images"
AMPLIFIED = 3  # as in a run's own pictures
_LETTERS = {"column": 13, "full": 22}  # left of the images
_LINE = 0.135  # inches
_GAP = 0.03  # inches between images
_LARGEST_DPI = 600


@dataclass(frozen=True, slots=True)
class Strip:
    """A line of the figure: what is written before `images` (N, H, W, 3)."""

    label: str
    remark: str
    images: Pixels


def images_picture(
    rows: Sequence[Row],
    *,
    indices: Sequence[int] = (),
    seed: int | None = None,
    metric: Column | None = None,
    difference: bool = False,
    width: str = "full",
) -> Picture:
    """Inputs, then a line of reconstructions a row, with the shown run's `metric` under its label.

    Pixels stay pixels: images are enlarged by whole factors. `indices`: which images; `seed`:
    default each row's lowest. `difference`: |output - input|, amplified, under each row. Rows
    measured on other images stand under their own inputs. Raises NothingToDraw without images.
    """
    shown, omissions = images_of(rows, seed=seed, indices=indices)
    if not shown:
        raise nothing(NAME, omissions)
    groups = _by_inputs(shown)
    strips = [strip for group in groups for strip in _strips(group, metric, difference=difference)]
    notes = [*omission_notes(NAME, omissions), *_notes(groups, metric)]
    with look():
        figure, dpi, shrunk = _draw(strips, width)
    if shrunk:
        text = f"images of {shrunk} pixels are shrunk to fit: choose fewer by images=[0,1]"
        notes.append(Note(f"picture {NAME}", text))
    return Picture(figure, tuple(notes), dpi)


def _by_inputs(shown: Sequence[Shown]) -> list[list[Shown]]:
    """Rows of the same inputs together, in order of their first."""
    groups: dict[tuple[object, ...], list[Shown]] = {}
    for one in shown:
        groups.setdefault((one.inputs.shape, one.inputs.tobytes()), []).append(one)
    return list(groups.values())


def _strips(group: Sequence[Shown], metric: Column | None, *, difference: bool) -> list[Strip]:
    strips = [Strip("input", "", group[0].inputs)]
    for one in group:
        strips.append(Strip(one.row.label, _remark(one, metric), one.outputs))
        if difference:
            gap = np.abs(one.outputs.astype(np.int16) - one.inputs)
            amplified = np.minimum(gap * AMPLIFIED, 255).astype(np.uint8)
            strips.append(Strip("", f"difference x{AMPLIFIED}", amplified))
    return strips


def _remark(one: Shown, metric: Column | None) -> str:
    value = metric.value(one.run.result) if metric else None
    return "" if value is None or metric is None else f"{metric.text(value)} {metric.unit}".strip()


def _notes(groups: Sequence[Sequence[Shown]], metric: Column | None) -> list[Note]:
    """Whose images these are, what the numbers are of, and which rows have other inputs."""
    about = f"picture {NAME}"
    seeds = {seed_of(one.run) for group in groups for one in group} - {None}
    which = f"seed {seeds.pop()}" if len(seeds) == 1 else "the lowest seed with images of each row"
    number = f"; {metric.title} of that run on its whole evaluation set" if metric else ""
    notes = [Note(about, which + number)]
    for group in groups[1:]:
        labels = ", ".join(one.row.label for one in group)
        notes.append(Note(about, f"{labels}: other validation images, under their own inputs"))
    return notes


def _draw(strips: Sequence[Strip], width: str) -> tuple[Any, int, int]:
    """The figure, its dots an inch, and the size of images that had to be shrunk, or 0."""
    label = _label_width(strips, width)
    room = WIDTHS[width] - label
    cells = [room / len(strip.images) - _GAP for strip in strips]  # inches
    needed = max(s.images.shape[2] / cell for s, cell in zip(strips, cells, strict=True))
    dpi = DPI if needed <= DPI else min(_LARGEST_DPI, math.ceil(needed))
    shrunk = 0
    lines = []
    for strip, cell in zip(strips, cells, strict=True):
        side = int(cell * dpi)
        if side < strip.images.shape[2]:
            shrunk = strip.images.shape[2]
        lines.append(_line(strip.images, side, gap=round(_GAP * dpi)))
    texts = [
        _text(strip, line.shape[0] / dpi, width) for strip, line in zip(strips, lines, strict=True)
    ]
    heights = [
        max(line.shape[0], math.ceil(len(text) * _LINE * dpi)) + round(_GAP * dpi)
        for line, text in zip(lines, texts, strict=True)
    ]
    left = round(label * dpi)
    total = (left + max(line.shape[1] for line in lines), sum(heights))
    figure = new_figure(width, height=total[1] / dpi)
    figure.set_layout_engine("none")
    figure.set(dpi=dpi, figwidth=total[0] / dpi)
    top = total[1]
    for line, text, height in zip(lines, texts, heights, strict=True):
        _place(figure, line, text, corner=(left, top), total=total)
        top -= height
    return figure, dpi, shrunk


def _label_width(strips: Sequence[Strip], width: str) -> float:
    """Inches left of the images, as far as labels need them."""
    letters = _LETTERS[width]
    parts = [part for s in strips for part in (*textwrap.wrap(s.label, letters), s.remark)]
    widest = max(inches(plain(part, letters)) for part in parts)
    return min(letters * LETTER, widest) + 2 * _GAP


def _line(images: Pixels, side: int, *, gap: int) -> Pixels:
    """Images beside each other, each enlarged by the largest whole factor that `side` allows."""
    from PIL import Image

    factor = side // images.shape[2]
    if factor:
        sized = [image.repeat(factor, 0).repeat(factor, 1) for image in images]
    else:
        small = (side, max(1, round(side * images.shape[1] / images.shape[2])))
        lanczos = Image.Resampling.LANCZOS
        sized = [np.asarray(Image.fromarray(image).resize(small, lanczos)) for image in images]
    white = np.full((sized[0].shape[0], gap, 3), 255, dtype=np.uint8)
    parts = [part for image in sized for part in (image, white)]
    return np.concatenate(parts[:-1], axis=1)


def _text(strip: Strip, height: float, width: str) -> list[str]:
    """The lines left of the images: as much of the label as there is room for, and the remark."""
    letters = _LETTERS[width]
    lines = max(1, int(height / _LINE) - bool(strip.remark))
    wrapped = textwrap.wrap(" ".join(strip.label.split()), letters) if strip.label else []
    if len(wrapped) > lines:
        wrapped = [*wrapped[: lines - 1], " ".join(wrapped[lines - 1 :])]
    remark = [plain(strip.remark, letters)] if strip.remark else []
    return [*(plain(text, letters) for text in wrapped), *remark]


def _place(
    figure: Any,
    line: Pixels,
    text: Sequence[str],
    *,
    corner: tuple[int, int],
    total: tuple[int, int],
) -> None:
    """One line at whole pixels of the figure: its left upper `corner`, from the left and below."""
    (left, top), (across, up), (height, length) = corner, total, line.shape[:2]
    axes = figure.add_axes((left / across, (top - height) / up, length / across, height / up))
    axes.imshow(line, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    for place, words in enumerate(text):
        down = (place - (len(text) - 1) / 2) * _LINE * figure.dpi
        color = GREY if place and place == len(text) - 1 else None
        middle = (top - height / 2 - down) / up
        figure.text(0.0, middle, words, va="center", ha="left", color=color)
