"""Gradient estimators: how a gradient passes from the quantized vectors to the encoder's.

Axes: N tokens, D latent width.
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

Estimator = Literal["ste", "rotation"]

# Below this |z + q| of unit vectors, z and q are opposite and the rotation has no plane.
OPPOSITE = 1e-4


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, q: Tensor) -> Tensor:
        return q.view_as(q)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def straight_through(z: Tensor, q: Tensor) -> Tensor:
    """The values of `q`, exactly, with the gradient of `z` (Bengio et al. 2013, arXiv 1308.3432).

    The usual z + sg(q - z) rounds, so that what the decoder sees would not be decode(codes), and
    costs two passes where this costs none. `q` must be no one else's to write to.
    """
    out: Tensor = _StraightThrough.apply(z, q.detach())
    return out


class _Rotation(torch.autograd.Function):
    """Backward of z -> s R z with s = |q| / |z| and R constant: the gradient times s R^T."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, q: Tensor) -> Tensor:
        ctx.save_for_backward(z, q)
        return q.view_as(q)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        z, q = ctx.saved_tensors
        (gradient,) = gradients
        size_z, size_q = z.norm(dim=1, keepdim=True), q.norm(dim=1, keepdim=True)
        unit_z, unit_q = F.normalize(z, dim=1), F.normalize(q, dim=1)
        middle = unit_z + unit_q
        size = middle.norm(dim=1, keepdim=True)
        middle = middle / size.clamp(min=OPPOSITE)
        # R = I - 2 r r^T + 2 q z^T with r halfway between the unit vectors q and z.
        along_middle = (gradient * middle).sum(1, keepdim=True)
        along_q = (gradient * unit_q).sum(1, keepdim=True)
        turned = gradient - 2 * along_middle * middle + 2 * along_q * unit_z
        scaled = turned * (size_q / size_z)
        undefined = (size < OPPOSITE) | (size_z == 0) | (size_q == 0)
        return torch.where(undefined, gradient, scaled), None


def rotation(z: Tensor, q: Tensor) -> Tensor:
    """The values of `q` (N, D), exactly, with the gradient of (|q| / |z|) R z.

    R turns z (N, D) onto q; it and the ratio count as constants (Fifty et al. 2024, arXiv
    2410.06424, section 4). Where z and q are opposite, or one of them is 0, there is no such R: the
    gradient then passes straight through.
    """
    out: Tensor = _Rotation.apply(z, q.detach())
    return out
