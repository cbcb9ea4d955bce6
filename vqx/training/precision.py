"""float32, bfloat16 and float16 training behind three calls."""

from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """Autocast, loss scaling (fp16 only: bfloat16 has float32's range) and clipped updates."""

    def __init__(self, name: str, device: torch.device) -> None:
        self.dtype = _DTYPES[name]
        self.device = device
        self.scaler = torch.amp.GradScaler(device.type, enabled=name == "fp16")

    def autocast(self) -> AbstractContextManager[Any]:
        """Context in which convolutions and matrix products run in this precision."""
        enabled = self.dtype is not torch.float32
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=enabled)

    def backward(self, loss: Tensor) -> None:
        """Back-propagate `loss` (), scaled where the precision needs it."""
        self.scaler.scale(loss).backward()

    def update(
        self, optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], clip: float | None
    ) -> Tensor:
        """Clip the unscaled gradient and step; returns its norm () before clipping.

        In fp16 an overflowed gradient skips the step and lowers the scale.
        """
        self.scaler.unscale_(optimizer)
        norm = torch.nn.utils.clip_grad_norm_(parameters, clip if clip is not None else torch.inf)
        self.scaler.step(optimizer)
        self.scaler.update()
        return norm.detach()
