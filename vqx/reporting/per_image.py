"""Metrics of single images, as an evaluation leaves them in per_image.npz."""

import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    import numpy as np

    try:
        with np.load(run.folder.per_image, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except FileNotFoundError:
        return "no per_image.npz"
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        return f"per_image.npz is damaged ({error})"
    digest = arrays.pop("images", None)
    if digest is None or digest.ndim or len({array.shape for array in arrays.values()}) != 1:
        return "per_image.npz is damaged (not one value an image)"
    return PerImage(str(digest), arrays)
