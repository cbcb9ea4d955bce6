"""Many small images of a mapped file at once: a loop over them would cost more than their bytes.

Axes: b rows of one read, N images, C channels, S side of the window.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from vqx.data.windows import LARGE_WINDOW


@dataclass(frozen=True, eq=False)
class SmallImages:
    """Raw images that are each one whole window, in `content` (bytes,) uint8 from `places` (N,) on.

    `order` of their axes there; `stored` channels there, of which the first `channels` are shown.
    """

    content: np.ndarray
    places: np.ndarray
    size: int
    stored: int
    channels: int
    order: Literal["CHW", "HWC"]

    @classmethod
    def found(
        cls,
        content: np.ndarray,
        index: np.ndarray,
        *,
        place: str,
        size: int,
        stored: int,
        channels: int,
        order: Literal["CHW", "HWC"],
    ) -> "SmallImages | None":
        """Those that `index` (N,), with its fields height, width and `place`, tells of.

        None if one is larger than the window of `size` pixels, or they are not small.
        """
        whole = (index["height"] == size).all() and (index["width"] == size).all()
        if not whole or size * size * stored >= LARGE_WINDOW:
            return None
        return cls(content, index[place].astype(np.int64), size, stored, channels, order)

    def read(self, indices: list[int], flips: list[bool] | None) -> np.ndarray:
        """Images uint8 (b, C, S, S), those mirrored that `flips` says."""
        size = self.size
        runs = sliding_window_view(self.content, size * size * self.stored)
        pixels = runs[self.places[indices]]
        if self.order == "HWC":
            pixels = pixels.reshape(-1, size, size, self.stored).transpose(0, 3, 1, 2)
        batch = np.ascontiguousarray(
            pixels.reshape(-1, self.stored, size, size)[:, : self.channels]
        )
        if flips is not None:
            batch[flips] = batch[flips][..., ::-1]
        return batch
