"""EntropyVQ: a gradient codebook whose codes the loss drives to be used.

Axes: N tokens, K codes, D latent width.
"""

from torch import Tensor

from vqx.durations import Duration
from vqx.errors import ConfigError
from vqx.quantizers.base import to_rows
from vqx.quantizers.codebook import Distance
from vqx.quantizers.estimator import Estimator
from vqx.quantizers.initialization import Init
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
        require_temperature(temperature)
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

    def loss(self, z: Tensor, q: Tensor) -> Tensor:
        """VQ's loss () of z, q (N, D), and the entropy penalty."""
        loss = super().loss(z, q)
        if not self.entropy.active:
            return loss
        return loss + self.entropy(*self._statistics(z), len(z))

    def _statistics(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        entries = self.entries()
        # -|z - E|^2 / T = (2 z E - |E|^2) / T, but for what is alike for all codes.
        return softmax_statistics(rows, entries, half_squares(entries), scale=2 / self.temperature)


def half_squares(entries: Tensor) -> Tensor:
    """-|E|^2 / 2 (K,) of entries (K, D): z E plus it orders codes by distance, nearest first."""
    return entries.square().sum(1) / -2


def require_temperature(temperature: float) -> None:
    """Raise ConfigError unless `temperature` is more than 0."""
    if not temperature > 0:
        raise ConfigError(f"temperature {temperature}: use more than 0")
