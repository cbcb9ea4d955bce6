"""The distance between latents and their codes, as a loss with a weight for either side.

Axes: N tokens, D latent width.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


class _Distortion(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, q: Tensor, commitment: float, codebook: float) -> Tensor:
        ctx.save_for_backward(z, q)
        ctx.weights = commitment, codebook
        return (commitment + codebook) * F.mse_loss(z, q)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        z, q = ctx.saved_tensors
        commitment, codebook = ctx.weights
        wants_z, wants_q = ctx.needs_input_grad[:2]
        gap = (z - q).mul_(gradients[0] * (2 / z.numel())) if wants_z or wants_q else None
        at_q = -codebook * gap if wants_q else None
        at_z = gap.mul_(commitment) if wants_z and gap is not None else None
        return at_z, at_q, None, None


def distortion(z: Tensor, q: Tensor, *, commitment: float, codebook: float) -> Tensor:
    """commitment |z - sg(q)|^2 + codebook |sg(z) - q|^2 (), means over the elements of z, q (N, D).

    The two terms have one value and opposite gradients, so one pass serves both (van den Oord et
    al. 2017, arXiv 1711.00937, equation 3).
    """
    out: Tensor = _Distortion.apply(z, q, commitment, codebook)
    return out
