"""LPIPS as a loss.

Axes: B images, C channels, H W pixels; float [-1, 1].
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, Self

import torch
from torch import Tensor, nn

from vqx.pretrained import perceptual_distance


class LpipsLoss(nn.Module):
    """LPIPS v0.1 (Zhang et al. 2018), mean over the batch; `vgg` is the field's loss.

    `layers`: which of the network's five stages count, 0 (finest) to 4; None is all. Their
    published weights stay: a subset's distance is smaller by what is left out.

    The network is no submodule: it is in neither parameters() nor state_dict(), and train() does
    not reach it. It still follows `to(device)`. Raises ConfigError, WeightsMissing.
    """

    def __init__(
        self,
        net: Literal["vgg", "alex"] = "vgg",
        *,
        layers: Sequence[int] | None = None,
        weights: str | Path | None = None,
        cache_dir: str | Path | None = None,
    ) -> None:
        super().__init__()
        network, _ = perceptual_distance(net, stages=layers, weights=weights, cache_dir=cache_dir)
        self._hidden = (network,)  # a tuple hides it from nn.Module

    def forward(self, reconstruction: Tensor, images: Tensor) -> Tensor:
        """The mean distance () float32; gradients reach `reconstruction` alone.

        Raises DataError for images that are too small for the network.
        """
        with torch.autocast(reconstruction.device.type, enabled=False):
            return self._hidden[0](reconstruction.float(), images.float()).mean()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # What .to(), .cuda() and the like call on every submodule.
        self._hidden[0]._apply(fn, recurse)
        return super()._apply(fn, recurse)
