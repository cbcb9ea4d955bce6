"""The same quantizers of vector-quantize-pytorch, with options that make the same work.

Throughout: no start from data (kmeans_init=False), no replacement of dead codes
(threshold_ema_dead_code=0), straight-through instead of its default rotation trick, ours' decay.
What it cannot do alike:
cosine: only with moving averages, so ours is measured with those too. bsq: the entropy of all K
codes, where ours is of groups of bits. gumbel, ibq: logits are negative distances and the codebook
moves by averages, where ours learns both by gradients; ibq is its `straight_through` option with
the diversity loss. entropy: only H(mean p) of the two entropies. residual_fsq: each stage squashes
the remainder by another tanh.
"""

import importlib
import importlib.metadata
import math
from typing import TYPE_CHECKING, Any, cast

from vqx.benchmarks.ours import STAGES

if TYPE_CHECKING:
    from torch import nn

    from vqx.benchmarks.families import Size
    from vqx.quantizers.base import Quantizer

PACKAGE = "vector_quantize_pytorch"
DISTRIBUTION = "vector-quantize-pytorch"

_AVERAGES = {"decay": 0.99, "commitment_weight": 0.25}
_GRADIENTS = {"ema_update": False, "learnable_codebook": True}
_DIVERSITY = {"codebook_diversity_loss_weight": 0.1}


def version() -> str | None:
    """The installed version, None if there is none."""
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return None


def ema(size: "Size") -> "nn.Module":
    """VectorQuantize of moving averages."""
    return _vector_quantize(size, **_AVERAGES)


def vq(size: "Size") -> "nn.Module":
    """VectorQuantize with a learnable codebook."""
    return _vector_quantize(size, **_GRADIENTS)


def cosine(size: "Size") -> "nn.Module":
    """VectorQuantize of moving averages of unit vectors."""
    return _vector_quantize(size, use_cosine_sim=True, **_AVERAGES)


def gumbel(size: "Size") -> "nn.Module":
    """VectorQuantize with sampled codes and the gradient of their probabilities."""
    return _vector_quantize(size, stochastic_sample_codes=True, straight_through=True, **_AVERAGES)


def entropy(size: "Size") -> "nn.Module":
    """VectorQuantize with a learnable codebook and the diversity loss."""
    return _vector_quantize(size, **_GRADIENTS, **_DIVERSITY)


def ibq(size: "Size") -> "nn.Module":
    """VectorQuantize with the gradient of all probabilities and the diversity loss."""
    return _vector_quantize(size, straight_through=True, **_AVERAGES, **_DIVERSITY)


def simvq(size: "Size") -> "nn.Module":
    """SimVQ."""
    return _made("SimVQ", size.width, size.codes, channel_first=True, rotation_trick=False)


def residual(size: "Size") -> "nn.Module":
    """ResidualVQ of moving averages."""
    quantizer = _made(
        "ResidualVQ",
        dim=size.width,
        codebook_size=size.codes,
        num_quantizers=STAGES,
        rotation_trick=False,
        **_AVERAGES,
    )
    return _of_images(quantizer)


def lfq(size: "Size") -> "nn.Module":
    """LFQ, weights as ours."""
    return _lfq(size, commitment_loss_weight=0.25)


def bsq(size: "Size") -> "nn.Module":
    """LFQ on the sphere."""
    return _lfq(size, spherical=True)


def fsq(size: "Size") -> "nn.Module":
    """FSQ."""
    return _made("FSQ", levels=list(size.levels))


def residual_fsq(size: "Size") -> "nn.Module":
    """ResidualFSQ."""
    options = {"levels": list(size.levels), "num_quantizers": STAGES}
    return _made("ResidualFSQ", is_channel_first=True, **options)


def share_nothing(quantizer: "Quantizer", peer: "nn.Module") -> None:
    """Both have the same fixed codebook."""


def share_codebook(quantizer: "Quantizer", peer: "nn.Module") -> None:
    """Give the peer's VectorQuantize our entries."""
    _set_codebook(cast(Any, peer)._codebook, quantizer)


def share_stages(quantizer: "Quantizer", peer: "nn.Module") -> None:
    """Give each of the peer's stages the entries of ours."""
    stages = cast(Any, quantizer).parts, cast(Any, peer).layers
    for our_stage, layer in zip(*stages, strict=True):
        _set_codebook(layer._codebook, our_stage)


def share_simvq(quantizer: "Quantizer", peer: "nn.Module") -> None:
    """Give the peer our frozen codebook and our linear layer."""
    our_part, part = cast(Any, quantizer), cast(Any, peer)
    part.frozen_codebook.copy_(our_part.codebook.detach())
    part.code_transform.weight.data.copy_(our_part.weight.detach())


def _set_codebook(codebook: Any, quantizer: Any) -> None:
    entries = quantizer.entries().detach()[None]
    codebook.embed.data.copy_(entries)
    codebook.embed_avg.copy_(entries)


def _vector_quantize(size: "Size", **options: Any) -> "nn.Module":
    options = {"accept_image_fmap": True, "rotation_trick": False, **options}
    return _made("VectorQuantize", size.width, size.codes, **options)


def _of_images(quantizer: "nn.Module") -> "nn.Module":
    """`quantizer` of tokens (B, N, D), made to take and give images (B, D, h, w).

    ResidualVQ's own `accept_image_fmap` fails unless D = h, as of release 1.32.
    """

    def to_tokens(_: object, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (inputs[0].flatten(2).transpose(1, 2),)

    def to_images(_: object, inputs: tuple[Any, ...], out: tuple[Any, ...]) -> tuple[Any, ...]:
        side = math.isqrt(out[0].shape[1])
        return (out[0].transpose(1, 2).unflatten(2, (side, side)), *out[1:])

    quantizer.register_forward_pre_hook(to_tokens)
    quantizer.register_forward_hook(to_images)
    return quantizer


def _lfq(size: "Size", **options: Any) -> "nn.Module":
    options = {"entropy_loss_weight": 0.1, **options}
    return _made("LFQ", dim=size.width, codebook_size=size.codes, **options)


def _made(name: str, *arguments: Any, **options: Any) -> "nn.Module":
    quantizer: nn.Module = getattr(importlib.import_module(PACKAGE), name)(*arguments, **options)
    return quantizer
