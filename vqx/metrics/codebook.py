"""How much of a codebook an evaluation set uses.

Axes: B images, h w latent positions, K codes, N = all tokens of the set.
"""

import torch
from torch import Tensor

from vqx.errors import ContractBroken, DataError
from vqx.metrics.base import Measurement, Metric, integer_sum


class CodebookUse(Metric):
    """`usage`, the fraction of the K codes seen at all, and `perplexity`, exp of the entropy.

    Both are of the counts over the whole set and all ranks, never of a batch: a mean of batch
    perplexities grows with the batch size, and the last batch alone knows little of usage.
    """

    keys = ("usage", "perplexity")

    def __init__(self, codebook_size: int) -> None:
        super().__init__({"counts": integer_sum(codebook_size)})

    @property
    def counts(self) -> Tensor:
        """How often each code was seen, (K,) int64."""
        return self.sums["counts"]

    def compute(self) -> dict[str, Measurement]:
        """Usage in [0, 1] and perplexity in [1, K]."""
        counts = self.counts.double()
        tokens = int(self.counts.sum())
        if tokens == 0:
            raise DataError("usage and perplexity of 0 tokens: at least 1 image must be evaluated")
        perplexity = float(torch.special.entr(counts / tokens).sum().exp())
        stamp = f"whole set; {tokens} tokens"
        return {
            "usage": Measurement(float((counts > 0).double().mean()), stamp, "higher"),
            "perplexity": Measurement(perplexity, stamp, "higher"),
        }

    def _add(self, real: Tensor, fake: Tensor, codes: Tensor) -> None:
        size = len(self.counts)
        if codes.numel() == 0:
            return
        lowest, highest = int(codes.min()), int(codes.max())
        if lowest < 0 or highest >= size:
            raise ContractBroken(
                f"codes from {lowest} to {highest} with a codebook of {size}: they must be from 0 "
                f"to {size - 1}; correct the quantizer's codes or its codebook_size"
            )
        self.counts.add_(torch.bincount(codes.flatten(), minlength=size))
