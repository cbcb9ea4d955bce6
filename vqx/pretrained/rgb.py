"""Images as the pretrained networks take them. Axes: B images, C channels, H W pixels."""

from torch import Tensor

from vqx.errors import DataError


def as_rgb(images: Tensor) -> Tensor:
    """`images` (B, 1 or 3, H, W) as (B, 3, H, W), grey repeated; raises DataError for other C."""
    channels = images.shape[1]
    if channels == 1:
        return images.expand(-1, 3, -1, -1)
    if channels != 3:
        raise DataError(f"images of {channels} channels: the pretrained networks take 1 or 3")
    return images
