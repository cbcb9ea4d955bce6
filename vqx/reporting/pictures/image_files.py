"""The validation images of a run and their reconstructions: images/inputs.png and outputs.png.

Axes: N images, H W pixels, 3 colours.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vqx.reporting.frame import Row, seed_of
from vqx.reporting.pictures.numbers import states
from vqx.reporting.pictures.picture import Omission
from vqx.runs.reading import Run

Pixels = NDArray[np.uint8]
INPUTS, OUTPUTS = "inputs.png", "outputs.png"
_LARGEST = 2**26  # pixels of a file: more is no file of ours


@dataclass(frozen=True, slots=True)
class Shown:
    """One row's images, uint8 (N, H, W, 3) both, and the run that they are of."""

    row: Row
    run: Run
    inputs: Pixels
    outputs: Pixels


def images_of(
    rows: Sequence[Row], *, seed: int | None, indices: Sequence[int]
) -> tuple[list[Shown], list[Omission]]:
    """The images `indices` (() is all) of each row's lowest seed that has them, or of `seed`."""
    found: list[Shown] = []
    omissions: list[Omission] = []
    for row in rows:
        runs = [run for run in row.runs if seed is None or seed_of(run) == seed]
        reason = f"no seed {seed}"
        for run in runs:
            read = _read(run, indices)
            if not isinstance(read, str):
                found.append(Shown(row, run, *read))
                break
            reason = read if reason.startswith("no seed") else reason
        else:
            omissions.append(Omission(row.label, reason))
    return found, omissions


def _read(run: Run, indices: Sequence[int]) -> tuple[Pixels, Pixels] | str:
    """Inputs and outputs of a run, or why there are none."""
    read = [_strip(run, name) for name in (INPUTS, OUTPUTS)]
    for images in read:
        if isinstance(images, str):
            return images
    inputs, outputs = (images for images in read if not isinstance(images, str))
    if inputs.shape != outputs.shape:
        return f"images/{INPUTS} and {OUTPUTS} differ in size"
    if indices and max(indices) >= len(inputs):
        return f"{len(inputs)} images, counted from 0: no image {max(indices)}"
    chosen = list(indices) or list(range(len(inputs)))
    return inputs[chosen], outputs[chosen]


def _strip(run: Run, name: str) -> Pixels | str:
    path = run.folder.images / name
    if not path.exists():
        why = "a run of an older version" if run.result else states([run])
        return f"no images/{name} ({why})"
    pixels = _pixels(path)
    if isinstance(pixels, str):
        return f"images/{name} {pixels}"
    height, width = pixels.shape[:2]
    if width % height:
        return f"images/{name} is no row of square images ({width}x{height})"
    return pixels.reshape(height, width // height, height, 3).swapaxes(0, 1)


def _pixels(path: Path) -> Pixels | str:
    """An image file as RGB (H, W, 3), or what is wrong with it."""
    from PIL import Image

    try:
        # A size that Pillow warns of is one that we refuse.
        with warnings.catch_warnings(), path.open("rb") as content:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            file = Image.open(content, formats=["PNG"])
            if file.width * file.height > _LARGEST:
                return f"is too large ({file.width}x{file.height})"
            return np.asarray(file.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return f"cannot be read ({type(error).__name__})"
