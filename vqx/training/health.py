"""How much of the codebook training uses, from one log line to the next.

Axes: B images, h w latent positions, K codes, Q codebooks, N tokens of a micro-batch.
"""

from typing import Any

import torch
from torch import Tensor

from vqx.collectives import max_over_ranks, rank, sum_over_ranks
from vqx.metrics.codebook import LARGEST_COUNTED
from vqx.quantizers import Quantizer


class CodebookHealth:
    """Counts of codes since the last log line, and when each code was last seen.

    Both stay on the device, and on this rank, until `values` is called at a log step. A code of -1
    (no code, of a codebook left out) does not count. Codebooks of more than 2^20 codes are not
    counted: `values` is then empty.
    """

    def __init__(self, quantizer: Quantizer, device: torch.device) -> None:
        shape = quantizer.codebooks, quantizer.codebook_size
        self._shape = shape if quantizer.codebook_size <= LARGEST_COUNTED else None
        if self._shape is None:
            return
        size = shape[0] * shape[1] + 1  # the last entry takes codes of -1
        self._counts = torch.zeros(size, dtype=torch.int64, device=device)
        self._last_seen = torch.zeros(size, dtype=torch.int64, device=device)  # steps done then
        self._first = torch.arange(shape[0], device=device) * shape[1]  # entry of code 0, (Q,)

    def observe(self, codes: Tensor, *, step: int) -> None:
        """Count `codes` (B, h, w) or (B, h, w, Q) of a micro-batch of optimizer step `step`."""
        if self._shape is None:
            return
        codes = codes.reshape(-1, self._shape[0])  # (N, Q)
        entries = torch.where(codes < 0, len(self._counts) - 1, codes + self._first).flatten()
        self._counts.index_add_(0, entries, torch.ones_like(entries))
        self._last_seen.index_fill_(0, entries, step + 1)

    def values(self, *, step: int) -> dict[str, float]:
        """Over all ranks, after `step` optimizer steps; then start counting anew.

        usage: fraction of all codes seen since the last call; perplexity: exp of the entropy of
        their counts, mean over codebooks; dead_code_age: steps since a code was last seen (or since
        the start), mean over codes; oldest_code_age: the largest. Waits for the device.
        """
        if self._shape is None:
            return {}
        counts = sum_over_ranks(self._counts)[:-1].view(self._shape).double()
        ages = step - max_over_ranks(self._last_seen)[:-1]
        self._counts.zero_()
        shares = counts / counts.sum(1, keepdim=True).clamp(min=1)
        values = {
            "usage": (counts > 0).double().mean(),
            "perplexity": torch.special.entr(shares).sum(1).exp().mean(),
            "dead_code_age": ages.double().mean(),
            "oldest_code_age": ages.max().double(),
        }
        return dict(zip(values, torch.stack(list(values.values())).tolist(), strict=True))

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs so that the next log line is the one of an unbroken run.

        Over all ranks, so that any number of them can go on from it: all ranks must call this.
        """
        if self._shape is None:
            return {}
        counts, last_seen = sum_over_ranks(self._counts), max_over_ranks(self._last_seen)
        return {"counts": counts.cpu(), "last_seen": last_seen.cpu()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`'s result."""
        if self._shape is None:
            return
        self._counts.copy_(state["counts"] * int(rank() == 0))  # they will be summed over ranks
        self._last_seen.copy_(state["last_seen"])
