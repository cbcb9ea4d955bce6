"""What a run needs of its data before the first step that depends on it.

Axes: B images, D latent width, h w latent positions.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from vqx.collectives import sum_over_ranks
from vqx.models import Tokenizer
from vqx.training.precision import Precision
from vqx.training.step import encoded, to_float

# Images whose variance stands for the data set's: its relative error is below a per cent then.
VARIANCE_IMAGES = 16_384


@torch.no_grad()
def start_codebook(
    tokenizer: Tokenizer,
    inputs: Iterator[Sequence[Tensor]],
    *,
    batches: int,
    generator: torch.Generator,
) -> None:
    """Initialise the codebook from what the encoder makes of the next `batches` global batches.

    inputs: for each step this rank's micro-batches (b, C, H, W) in [-1, 1]. Every rank calls it;
    `generator` is seeded alike everywhere.
    """
    precision = Precision("fp32", next(tokenizer.parameters()).device)
    latents = [
        z.float() for step in islice(inputs, batches) for z in encoded(tokenizer, step, precision)
    ]
    tokenizer.quantizer.initialize(torch.cat(latents), generator=generator)


@torch.no_grad()
def data_variance(batches: Iterator[list[Tensor]], *, images: int, batch_size: int) -> float:
    """Variance of all values in [-1, 1] of the first training images, as the model sees them.

    batches: for each step this rank's uint8 micro-batches; sums go over all ranks in float64.
    """
    sums: Any = 0
    for step in islice(batches, -(-images // batch_size)):
        for micro_batch in step:
            values = to_float(micro_batch).double()
            count = torch.tensor(float(values.numel()), device=values.device, dtype=torch.float64)
            sums = sums + torch.stack([count, values.sum(), values.square().sum()])
    count, total, squares = sum_over_ranks(sums).tolist()
    return float(squares / count - (total / count) ** 2)
