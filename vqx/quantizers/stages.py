"""Which quantizers can be a stage of a residual one.

Axes: n tokens, D latent width, K codes.
"""

from itertools import chain

import torch
from torch import Tensor

from vqx.errors import ConfigError
from vqx.quantizers.base import Quantizer

# Codes whose lengths are looked at.
SEVERAL = 64


def check_base(
    base: Quantizer, *, stages: int, shared: bool, scale: float, has_dropout: bool
) -> None:
    """ConfigError if `stages` of `base` cannot each quantize what those before them leave over."""
    name = type(base).__name__
    if not base.discrete:
        raise ConfigError(
            f"Residual of {name}: it is not discrete, so what its codes leave over is not what its "
            "latents leave over; use a discrete base"
        )
    if base.codebooks > 1:
        raise ConfigError(
            f"Residual of {name}: it has {base.codebooks} codebooks already; give it a base of one "
            "(a product of residuals is Product(Residual(...)))"
        )
    if base.needs_survey and has_dropout:
        raise ConfigError(
            f"quantizer_dropout with {name}: its entropy of the whole batch needs all of a step "
            "beforehand, but each pass would draw other stages; set entropy_weight or "
            "quantizer_dropout to 0"
        )
    if base.needs_survey and shared:
        raise ConfigError(
            f"shared with {name}: its entropy of the whole batch would mix the stages; set its "
            "entropy_weight to 0 or shared to false"
        )
    _check_remainder(base, stages=stages, scale=scale)


def _check_remainder(base: Quantizer, *, stages: int, scale: float) -> None:
    """Refuse a base whose latents are not near z, or too long for what little is left of it.

    What a base compares with its entries, and their lengths, are looked at rather than its class,
    so that the same goes for quantizers that are not known here.
    """
    name = type(base).__name__
    by_direction = _compares_directions(base)
    if not (by_direction or _compares_latents(base)):
        raise ConfigError(
            f"Residual of {name}: its latents stand for a squashed or normalized z, so z less its "
            "latents is not what its codes leave over; use quantizer=residual_fsq, or a base that "
            "compares z itself, like VQ, EMA or LFQ"
        )
    if stages > 1 and scale >= 1 and (by_direction or _has_entries_of_one_length(base)):
        raise ConfigError(
            f"Residual of {name} with scale {scale:g}: its entries all have one length, so every "
            "stage adds as much as the first, however little is left over, and mostly undoes the "
            "one before; use a scale below 1, like scale=0.5"
        )


def is_trained_through(latents: Tensor, stage: Quantizer) -> bool:
    """Whether backward from `latents` would arrive at a parameter of `stage`."""
    wanted = {id(p) for p in stage.parameters()}
    open_nodes, seen = [latents.grad_fn], set()
    while open_nodes:
        node = open_nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if id(getattr(node, "variable", None)) in wanted:
            return True
        open_nodes += [parent for parent, _ in node.next_functions]
    return False


def _compares_latents(base: Quantizer) -> bool:
    z = _some_latents(base)
    return torch.allclose(_compared(base, z), z)


def _compares_directions(base: Quantizer) -> bool:
    """Whether a vector is compared as one of its direction, but of a length of its own."""
    z = _some_latents(base)
    x = _compared(base, z)
    along = torch.cosine_similarity(x, z, dim=1)
    return torch.allclose(along, torch.ones_like(along)) and torch.allclose(
        _compared(base, 2 * z), x
    )


@torch.no_grad()
def _has_entries_of_one_length(base: Quantizer) -> bool:
    """Whether the first few entries are equally long; a single one, or one of 0, says nothing."""
    count = min(base.codebook_size, SEVERAL)
    codes = torch.arange(count, device=_device(base))[None, None]
    lengths = base.decode(codes).norm(dim=1).flatten()
    return count > 1 and torch.allclose(lengths, lengths[0]) and bool(lengths[0] > 0)


def _some_latents(base: Quantizer) -> Tensor:
    """16 normal vectors (1, D, 4, 4), the same each time."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, base.latent_channels, 4, 4, generator=generator).to(_device(base))


@torch.no_grad()
def _compared(base: Quantizer, z: Tensor) -> Tensor:
    return base.compared(z)


def _device(base: Quantizer) -> torch.device:
    state = chain(base.parameters(), base.buffers())
    return next((x.device for x in state), torch.device("cpu"))
