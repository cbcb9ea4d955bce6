"""EntropyVQ: a gradient codebook whose codes the loss drives to be used.

Axes: N tokens, K codes, D latent width.
"""

from dataclasses import replace

from torch import Tensor

from vqx.durations import Duration
from vqx.quantizers.base import Quantized, to_rows
from vqx.quantizers.checks import require_positive
from vqx.quantizers.codebook import Distance
from vqx.quantizers.estimator import Estimator
from vqx.quantizers.initialization import Init
from vqx.quantizers.nearest import half_squares
from vqx.quantizers.penalty import EntropyPenalty
from vqx.quantizers.restart import Restart
from vqx.quantizers.softmax import softmax_statistics
from vqx.quantizers.vq import VQ


class EntropyVQ(VQ):
    """VQ with the entropy penalty of MaskGIT's tokenizer (Chang et al. 2022, arXiv 2202.04200).

    With p = softmax(-|z - E|^2 / temperature) over all K codes, the loss is VQ's plus
    entropy_weight (mean H(p) - diversity H(mean p)), the second mean over the global batch; its
    gradient reaches z and all codes. p is never held whole (see softmax.py). entropy_ramp: steps,
    or text like "2 epochs", over which the weight rises from 0. The other switches are VQ's.
    """

    def __init__(
        self,
        codebook_size: int,
        latent_channels: int,
        *,
        entropy_weight: float = 0.1,
        diversity: float = 1.0,
        temperature: float = 0.01,
        entropy_ramp: Duration | None = None,
        commitment: float = 0.25,
        beta_legacy: bool = False,
        init: Init = "uniform",
        distance: Distance = "euclidean",
        estimator: Estimator = "ste",
        restart: Restart | bool | None = True,
        orthogonal: float = 0.0,
    ) -> None:
        super().__init__(
            codebook_size,
            latent_channels,
            commitment=commitment,
            beta_legacy=beta_legacy,
            init=init,
            distance=distance,
            estimator=estimator,
            restart=restart,
            orthogonal=orthogonal,
        )
        require_positive(temperature=temperature)
        self.temperature = temperature
        self.entropy = EntropyPenalty(entropy_weight, diversity=diversity, ramp=entropy_ramp)

    @property
    def needs_survey(self) -> bool:
        """The mean probabilities are of the batch as a whole."""
        return self.entropy.active

    def survey_float(self, z: Tensor) -> None:
        """Note the mean probabilities of z (B, D, h, w)."""
        if self.entropy.active:
            rows = self._scaled(to_rows(z))
            self.entropy.survey(self._statistics(rows)[1], len(rows))

    def quantize(self, z: Tensor) -> Quantized:
        """The nearest entries of z (B, D, h, w), and VQ's loss with the entropy penalty."""
        if not self.entropy.active:
            return super().quantize(z)
        rows = self._scaled(to_rows(z))
        token_entropy, mean_p, codes = self._statistics(rows)  # with the scores of `search`
        out = self.quantized(z, rows, codes)
        return replace(out, loss=out.loss + self.entropy(token_entropy, mean_p, len(rows)))

    def _statistics(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean entropy (), mean probabilities (K,) and codes (N,) of compared latents (N, D)."""
        entries = self.entries()
        # -|z - E|^2 / T = (2 z E - |E|^2) / T, but for what is alike for all codes.
        return softmax_statistics(rows, entries, half_squares(entries), scale=2 / self.temperature)
