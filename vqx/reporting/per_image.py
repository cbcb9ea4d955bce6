"""Metrics of single images, as an evaluation leaves them in per_image.npz."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vqx.runs.arrays import read_arrays
from vqx.runs.reading import Run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PerImage:
    """`values`: key -> float32 (N,), a value an image in the order of the evaluation.

    `images`: a digest of these images in that order. Two runs can be paired image by image exactly
    when they agree in it.
    """

    images: str
    values: "dict[str, NDArray[np.float32]]"


def read_per_image(run: Run) -> PerImage | str:
    """The metrics of a run's single images, or why there are none."""
    arrays = read_arrays(run.folder.per_image)
    if isinstance(arrays, str):
        return arrays
    digest = arrays.pop("images", None)
    numbers = [array for array in arrays.values() if array.dtype.kind == "f" and array.ndim == 1]
    sizes = {array.shape for array in arrays.values()}
    if digest is None or digest.ndim or len(sizes) != 1 or len(numbers) < len(arrays):
        return "per_image.npz is damaged (not one value an image)"
    return PerImage(str(digest), arrays)  # type: ignore[arg-type]
