"""An image set held in memory as one uint8 tensor.

Axes: N images, C channels, T side of a stored image.
"""

import hashlib
from collections.abc import Generator, Iterable
from functools import cached_property

from torch import Tensor

from vqx.data.image_set import ImageSet, Views
from vqx.data.windows import cut_equal_windows
from vqx.errors import DataError


class TensorImages(ImageSet):
    """`images` uint8 (N, C, T, T), T >= image_size; read without a loop over images.

    `channels` = 3 with one stored channel repeats it, batch by batch.
    """

    def __init__(
        self,
        images: Tensor,
        *,
        name: str,
        split: str,
        image_size: int,
        description: str,
        channels: int | None = None,
    ) -> None:
        if not len(images):
            raise DataError(f"data set '{name}' has no images in its {split} split")
        self.images = images.contiguous()
        self.name = name
        self.split = split
        self.channels = images.shape[1] if channels is None else channels
        self.image_size = image_size
        self.description = description

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def fingerprint(self) -> str:  # type: ignore[override]
        """See `ImageSet.fingerprint`: of the pixels."""
        digest = hashlib.sha256(self.images.numpy().data).hexdigest()
        return f"pixels {digest}, {tuple(self.images.shape)}, {self.channels}, {self.image_size}"

    @property
    def contents(self) -> dict[str, str]:
        """See `ImageSet.contents`."""
        return {**super().contents, "pixels": self.fingerprint}

    def read(
        self, views: Iterable[Views], *, workers: int = 0
    ) -> Generator[Tensor | None, None, None]:
        """See `ImageSet.read`; memory needs no workers."""
        for view in views:
            yield self._take(view)

    def _take(self, view: Views) -> Tensor:
        batch = cut_equal_windows(
            self.images, view.indices, view.position, view.flip, self.image_size
        )
        if batch.shape[1] == self.channels:
            return batch
        return batch.expand(-1, self.channels, -1, -1).contiguous()
