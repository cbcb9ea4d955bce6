"""What the tests of explicit codebooks share: data, and training steps split over ranks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from vqx.collectives import rank, world_size
from vqx.quantizers import EMA, VQ, Restart, SimVQ
from vqx.quantizers.codebook import CodebookQuantizer

CLASSES = {"vq": VQ, "ema": EMA, "simvq": SimVQ}


def seeded(seed: int = 0) -> torch.Generator:
    """A CPU generator."""
    return torch.Generator().manual_seed(seed)


def latents(batch: int, width: int = 6, seed: int = 0, clusters: int = 5) -> Tensor:
    """Clustered latents (batch, width, 4, 3) whose clusters are of unequal size."""
    g = seeded(seed)
    centres = 4 * torch.randn(clusters, width, generator=seeded(99))
    share = torch.arange(1.0, clusters + 1)
    which = torch.multinomial(share, batch * 12, replacement=True, generator=g)
    rows = centres[which] + torch.randn(batch * 12, width, generator=g)
    return rows.view(batch, 4, 3, width).movedim(-1, 1)


def make(kind: str, restart: dict[str, Any] | None = None, **arguments: Any) -> CodebookQuantizer:
    """A "vq", "ema" or "simvq" of 24 codes of width 6, the same for every call."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        component = None if restart is None else Restart(**restart)
        return CLASSES[kind](24, 6, restart=component, **arguments)


def train(
    quantizer: CodebookQuantizer, steps: int, *, accumulation: int = 1, batch: int = 32
) -> dict[str, Tensor]:
    """State after steps of `batch` images, of which this rank sees its contiguous part."""
    g = seeded(7)
    parts = latents(batch).chunk(world_size())
    if quantizer.needs_initialization:
        quantizer.initialize(parts[rank()], generator=g)
    for step in range(steps):
        part = latents(batch, seed=step).chunk(world_size())[rank()]
        for micro in part.chunk(accumulation):
            quantizer(micro)
        quantizer.update_codebook(generator=g)
    return {name: x.clone() for name, x in quantizer.state_dict().items()}


def train_case(
    kind: str, restart: dict[str, Any] | None, arguments: dict[str, Any], steps: int, micro: int
) -> dict[str, Tensor]:
    """`train` of a fresh quantizer: what a rank runs."""
    return train(make(kind, restart, **arguments), steps, accumulation=micro)


def assert_same_state(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Equal to float tolerance, name by name."""
    assert actual.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(actual[name], expected[name], rtol=1e-4, atol=1e-5, msg=name)
