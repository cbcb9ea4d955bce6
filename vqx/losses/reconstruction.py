"""Errors between a reconstruction and its image, in the model's space.

Axes: B images, C channels, H W pixels; float [-1, 1]. In [-1, 1] L1 is twice and L2 four times
what the metrics of those names print, which are on [0, 1].
"""

import math

import torch
from torch import Tensor, nn

from vqx.errors import ConfigError


class L1(nn.Module):
    """Mean absolute error over all values."""

    def forward(self, reconstruction: Tensor, images: Tensor) -> Tensor:
        """The mean () float32 over (B, C, H, W)."""
        return (reconstruction.float() - images.float()).abs().mean()


class L2(nn.Module):
    """Mean squared error over all values."""

    def forward(self, reconstruction: Tensor, images: Tensor) -> Tensor:
        """The mean () float32 over (B, C, H, W)."""
        return (reconstruction.float() - images.float()).square().mean()


class NormalizedL2(nn.Module):
    """Mean squared error over the data's variance (van den Oord et al. 2017; DeepMind sonnet).

    1 is the error of the data's mean colour. `variance` is that of all values of the data as the
    model sees them, in [-1, 1]: four times that in [0, 1]. None leaves it to `set_variance`.
    """

    variance: Tensor  # () float32; NaN until it is known

    def __init__(self, variance: float | None = None) -> None:
        """Raises ConfigError for a variance that is not above 0."""
        super().__init__()
        self.register_buffer("variance", torch.tensor(float("nan")))
        self._known = False
        if variance is not None:
            self.set_variance(variance)

    @property
    def needs_variance(self) -> bool:
        """Whether neither the configuration, `set_variance` nor a checkpoint has given it yet."""
        return not math.isfinite(float(self.variance))

    def set_variance(self, value: float) -> None:
        """Take `value` as the data's variance. Raises ConfigError unless it is above 0."""
        if not 0 < value < math.inf:
            raise ConfigError(
                f"variance {value}: the data's variance must be above 0; constant images have none"
            )
        self.variance.fill_(value)

    def forward(self, reconstruction: Tensor, images: Tensor) -> Tensor:
        """The mean () float32 over (B, C, H, W), divided by the variance."""
        if not self._known:  # asked once: reading it waits for the device
            if self.needs_variance:
                raise RuntimeError("the data's variance is unknown: call set_variance() first")
            self._known = True
        return (reconstruction.float() - images.float()).square().mean() / self.variance
