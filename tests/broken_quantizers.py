"""Quantizers that fail on purpose, named by tests through `quantizer._target_`."""

import os

import torch.distributed as dist
from torch import Tensor

from vqx.quantizers import FSQ, Quantized


class FailsOnTheSecondRank(FSQ):
    """FSQ whose training forward pass raises on rank 1 only."""

    def forward(self, z: Tensor) -> Quantized:
        if self.training and z.requires_grad and dist.is_initialized() and dist.get_rank() == 1:
            raise RuntimeError("planted on the second rank")
        return super().forward(z)


class FailsOnOneRank(FSQ):
    """FSQ whose training forward pass raises on the rank that VQX_FAILING_RANK names."""

    def forward(self, z: Tensor) -> Quantized:
        if (
            self.training
            and z.requires_grad
            and str(dist.get_rank()) == os.environ["VQX_FAILING_RANK"]
        ):
            raise RuntimeError(f"planted on rank {dist.get_rank()}")
        return super().forward(z)


class ForgetsACode(FSQ):
    """FSQ whose decode disagrees with its forward pass."""

    def decode(self, codes: Tensor) -> Tensor:
        return super().decode(codes.clamp(min=1))
