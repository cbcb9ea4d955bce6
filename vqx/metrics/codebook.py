"""How much of its codebooks an evaluation set uses.

Axes: B images, h w latent positions, K codes, Q codebooks, b binary digits of a code, N = all
latent positions (tokens) of the set.
"""

import math

import torch
from torch import Tensor

from vqx.errors import ContractBroken, DataError
from vqx.metrics.base import Measurement, Metric, integer_sum

# With more codes than this a set sees too few of them for usage and perplexity to mean anything.
LARGEST_COUNTED = 2**20


class CodebookUse(Metric):
    """`usage`, the fraction of all Q K codes seen, and `perplexity`, the mean over codebooks.

    A codebook's perplexity is exp of the entropy of its counts. Both are of the counts over the
    whole set and all ranks, never of a batch: a mean of batch perplexities grows with the batch
    size, and the last batch alone knows little of usage.

    `bit_entropy` is the entropy of each binary digit of a code (the lowest first), in bits, mean
    over digits and codebooks, in [0, 1]. With K above 2^20 it is all there is, in O(Q log K)
    memory. `code_entropy`: bits a token that an ideal coder of these counts would need, summed over
    codebooks. Of several codebooks a code of -1 stands for none, and does not count.
    """

    def __init__(self, codebook_size: int, codebooks: int = 1) -> None:
        self.codebook_size, self.codebooks = codebook_size, codebooks
        self.counted = codebook_size <= LARGEST_COUNTED
        digits = (codebook_size - 1).bit_length()
        columns = codebook_size if self.counted else digits
        self._digits = digits
        of_counts = ("usage", "perplexity", "code_entropy") if self.counted else ()
        self.keys = (*of_counts, "bit_entropy")
        super().__init__(
            {
                "tokens": integer_sum(),
                "seen": integer_sum(codebooks),
                ("counts" if self.counted else "ones"): integer_sum(codebooks, columns),
            }
        )

    @property
    def tokens(self) -> int:
        """How many latent positions were seen."""
        return int(self.sums["tokens"])

    @property
    def counts(self) -> Tensor | None:
        """How often each code was seen, (Q, K) int64; None for more than 2^20 codes."""
        return self.sums.get("counts")

    @property
    def bit_entropies(self) -> Tensor | None:
        """Entropy of each binary digit in bits, (Q, b) float64; None up to 2^20 codes."""
        return None if self.counted else self._bit_entropies()

    def _bit_entropies(self) -> Tensor:
        """(Q, b) float64 in bits."""
        if self.counted:
            counts = self.sums["counts"]
            codes = torch.arange(self.codebook_size, device=counts.device)
            digits = range(self._digits)
            ones = torch.stack([(counts * (codes >> digit & 1)).sum(1) for digit in digits], dim=1)
        else:
            ones = self.sums["ones"]
        share = ones.double() / self.sums["seen"].clamp(min=1)[:, None]
        return (torch.special.entr(share) + torch.special.entr(1 - share)) / math.log(2)

    @property
    def missing(self) -> dict[str, str]:
        """What is not measured, and why."""
        if self.counted:
            return {}
        reason = f"undefined for {self.codebook_size:,} codes: see bit_entropy"
        return dict.fromkeys(("usage", "perplexity", "code_entropy"), reason)

    def compute(self) -> dict[str, Measurement]:
        """Usage in [0, 1], perplexity in [1, K], entropies in bits; of many codes bit_entropy."""
        if self.tokens == 0:
            keys = " and ".join(self.keys)
            raise DataError(f"{keys} of 0 tokens: at least 1 image must be evaluated")
        # One code has no binary digit, and no entropy.
        by_digit = float(self._bit_entropies().mean()) if self._digits else 0.0
        stamp = self._stamp("mean over the binary digits of a code", "mean over")
        found = {"bit_entropy": Measurement(by_digit, stamp, "higher")}
        if not self.counted:
            return found
        counts = self.sums["counts"]
        shares = counts.double() / counts.sum(1, keepdim=True).clamp(min=1)
        entropies = torch.special.entr(shares).sum(1)  # (Q,) in nats
        usage, perplexity = (counts > 0).double().mean(), entropies.exp().mean()
        bits = float(entropies.sum()) / math.log(2)
        return {
            "usage": Measurement(float(usage), self._stamp("", "of all codes of"), "higher"),
            "perplexity": Measurement(float(perplexity), self._stamp("", "mean over"), "higher"),
            "code_entropy": Measurement(bits, self._stamp("bits a token", "sum over"), None),
            **found,
        }

    def _stamp(self, what: str, relation: str) -> str:
        """The protocol; fewer tokens than codes put a bound on usage and perplexity."""
        few = ", fewer than codes" if self.counted and self.tokens < self.codebook_size else ""
        several = f"{relation} {self.codebooks} codebooks" if self.codebooks > 1 else ""
        parts = ("whole set", f"{self.tokens} tokens{few}", what, several)
        return "; ".join(part for part in parts if part)

    def _add(self, real: Tensor, fake: Tensor, codes: Tensor) -> None:
        if codes.numel() == 0:
            return
        self._check(codes)
        columns = codes.reshape(-1, self.codebooks)  # (tokens, Q)
        present = columns >= 0
        self.sums["tokens"] += len(columns)
        self.sums["seen"] += present.sum(0)
        if self.counted:
            first = self.codebook_size * torch.arange(self.codebooks, device=codes.device)
            entries = (columns + first)[present]
            size = self.codebooks * self.codebook_size
            counts = torch.bincount(entries, minlength=size)
            self.sums["counts"] += counts.view(self.codebooks, -1)
        else:
            for digit, ones in enumerate(self.sums["ones"].unbind(1)):
                ones += (((columns >> digit) & 1) * present).sum(0)

    def _check(self, codes: Tensor) -> None:
        columns = codes.shape[3] if codes.ndim == 4 else 1
        if columns != self.codebooks:
            raise ContractBroken(
                f"codes {tuple(codes.shape)} of {self.codebooks} codebooks: their last axis must "
                "have one code a codebook; correct the quantizer's codes or its `codebooks`"
            )
        lowest, highest = int(codes.min()), int(codes.max())
        allowed = 0 if self.codebooks == 1 else -1
        if lowest < allowed or highest >= self.codebook_size:
            raise ContractBroken(
                f"codes from {lowest} to {highest} with a codebook of {self.codebook_size}: they "
                f"must be from 0 to {self.codebook_size - 1}; correct the quantizer's codes or its "
                "codebook_size"
            )
