"""The entries of a codebook, explicit or not.

Axes: K codes, E of them, D latent width, Q codebooks.
"""

import torch
from torch import Tensor

from vqx.quantizers.base import Quantizer

_AT_ONCE = 2**14


@torch.no_grad()
def codebook_entries(
    quantizer: Quantizer, codebook: int = 0, *, codes: Tensor | None = None
) -> Tensor:
    """What `codes` (E,) int64, default all K, of one codebook add to the latents, (E, D) float32.

    On the CPU. Decoded, so that quantizers without a table of entries have them too. Of several
    codebooks the others' codes stay 0: entries are then right but for one constant vector.
    """
    device = _device(quantizer)
    wanted = torch.arange(quantizer.codebook_size) if codes is None else codes
    parts = []
    for some in wanted.split(_AT_ONCE):
        line = some.to(device)[None, None]
        if quantizer.codebooks > 1:
            columns = line.new_zeros(*line.shape, quantizer.codebooks)
            columns[..., codebook] = line
            line = columns
        parts.append(quantizer.decode(line)[0, :, 0].T.float().cpu())
    return torch.cat(parts)


def spread_codes(quantizer: Quantizer, largest: int) -> Tensor:
    """All codes, or `largest` of them that lie evenly between 0 and K: int64, rising."""
    size = quantizer.codebook_size
    count = min(size, max(1, largest))
    return torch.tensor([place * size // count for place in range(count)])


def _device(quantizer: Quantizer) -> torch.device:
    tensors = (*quantizer.parameters(), *quantizer.buffers())
    return next(iter(tensors)).device if tensors else torch.device("cpu")
