"""The least work there is for a family and size, always in float32.

Axes: B images of SIDE x SIDE latents, N = B SIDE^2 tokens, K codes, D latent width.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from vqx.benchmarks.alternation import seconds_of
from vqx.benchmarks.passes import SIDE
from vqx.quantizers.estimator import straight_through

if TYPE_CHECKING:
    from vqx.benchmarks.families import Family, Size

# Rows and columns of a block of scores, the fastest of which is the floor: 4 MiB ones for a CPU's
# cache, 256 MiB ones for a GPU, and all codes at once.
_BLOCKS = ((4096, 256), (1024, 1024), (512, 512), (128, 8192), (64, 16384), (16, 65536))
_BLOCKS_ON_GPU = ((32768, 2048), (8192, 8192), (1024, 65536))


def make_floor(family: "Family", size: "Size", device: torch.device) -> Callable[[], None] | None:
    """The least work of this family and size as a call, always in float32."""
    if family.floor is None:
        return None
    if family.floor == "elements":
        return _elements(size, device, family.stages)
    gradients = family.floor == "products"
    blocks = _BLOCKS if device.type == "cpu" else _BLOCKS_ON_GPU
    few = min(size.tokens, 1024)
    trials = [_products(few, size, device, block, gradients, stages=1) for block in blocks]
    times = [min(seconds_of(trial, device) for _ in range(2)) for trial in trials]
    best = blocks[times.index(min(times))]
    return _products(size.tokens, size, device, best, gradients, stages=family.stages)


def _products(
    tokens: int,
    size: "Size",
    device: torch.device,
    block: tuple[int, int],
    gradients: bool,
    *,
    stages: int,
) -> Callable[[], None]:
    """z E^T block by block into one buffer, so that no page is touched anew.

    gradients: then G E and G^T z too, with the block of scores for the gradient G of them.
    """
    z = torch.randn(tokens, size.width, device=device)
    codebook = torch.randn(size.codes, size.width, device=device)
    dz, d_codebook = torch.zeros_like(z), torch.zeros_like(codebook)
    rows, columns = block
    buffer = torch.empty(rows * columns, device=device)
    pairs = [
        (a, b, da, db, buffer[: len(a) * len(b)].view(len(a), len(b)))
        for b, db in zip(codebook.split(columns), d_codebook.split(columns), strict=True)
        for a, da in zip(z.split(rows), dz.split(rows), strict=True)
    ]

    def run() -> None:
        for a, b, da, db, scores in pairs * stages:
            torch.mm(a, b.T, out=scores)
            if gradients:
                torch.addmm(da, scores, b, out=da)
                torch.addmm(db, scores.T, a, out=db)

    return run


def _elements(size: "Size", device: torch.device, stages: int) -> Callable[[], None]:
    """tanh and round of every channel with their backward, as torch's autograd does it."""
    shape = (size.tokens // SIDE**2, size.width, SIDE, SIDE)
    z = torch.randn(shape, device=device, requires_grad=True)
    gradient = torch.randn(shape, device=device)

    def run() -> None:
        for _ in range(stages):
            z.grad = None
            bounded = torch.tanh(z)
            straight_through(bounded, bounded.detach().round()).backward(gradient)

    return run
