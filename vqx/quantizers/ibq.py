"""IBQ: all codes learn from every token, through the softmax of the scores.

Axes: B images, h w latent positions, N tokens, K codes, D latent width.
"""

from typing import Literal, get_args

import torch.nn.functional as F
from torch import Tensor

from vqx.durations import Duration
from vqx.errors import ConfigError
from vqx.quantizers.base import Quantized, to_grid, to_rows
from vqx.quantizers.checks import require_positive, require_weights
from vqx.quantizers.estimator import straight_through
from vqx.quantizers.gradient_codebook import GradientCodebook
from vqx.quantizers.initialization import Init
from vqx.quantizers.nearest import best_codes, half_squares
from vqx.quantizers.penalty import EntropyPenalty, Penalty
from vqx.quantizers.restart import Restart
from vqx.quantizers.softmax import softmax_mixture, softmax_statistics

Scores = Literal["dot", "euclidean", "cosine"]


class DoublePenalty(Penalty):
    """weight |q_ste - z|^2, mean over elements: the second of the two quantization terms of IBQ."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        require_weights(double_weight=weight)
        self.weight = weight

    def forward(self, z: Tensor, q_ste: Tensor) -> Tensor:
        """The term () of latents z (N, D) and q_ste (N, D), with a gradient for both."""
        if not self.enabled or self.weight == 0:
            return z.new_zeros(())
        return self.weight * F.mse_loss(q_ste, z)


class IBQ(GradientCodebook):
    """Index backpropagation quantization (Shi et al. 2024, arXiv 2412.02692, section 3.2).

    scores = z E^T, p = softmax(scores), code i = argmax, the lowest of equals. The decoder sees
    q_ste = (onehot(i) + p - sg(p)) E: exactly E_i, with a gradient for E_i itself and, through p,
    for z and all codes. Loss: double_weight |q_ste - z|^2 + commitment |sg(E_i) - z|^2
    + |E_i - sg(z)|^2, means over elements, and the entropy penalty entropy_weight (mean H -
    diversity H(mean)) of softmax(scores / temperature), the second over the global batch.
    `beta_legacy`: commitment weighs |E_i - sg(z)|^2 instead, as in the published code.

    distance: what the scores are: "dot", "euclidean" (-|z - E|^2) or "cosine" (unit vectors
    throughout; p is then close to even). p is never held whole (see softmax.py). init, restart: as
    in CodebookQuantizer; no restart by default, since no code is ever without a gradient, and none
    with "dot", where a long code takes all tokens. orthogonal: weight of OrthogonalPenalty. It is
    its own estimator, so there is no other to choose. entropy_ramp: steps, or text like "2 epochs",
    over which the entropy weight rises from 0. From init "normal" it used 66 % of 256 codes in a
    toy autoencoder's 600 steps, from "uniform" 23 %.
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
        double_weight: float = 1.0,
        beta_legacy: bool = False,
        init: Init = "normal",
        distance: Scores = "dot",
        restart: Restart | bool | None = None,
        orthogonal: float = 0.0,
    ) -> None:
        _require_scores(distance)
        super().__init__(
            codebook_size,
            latent_channels,
            init=init,
            distance="cosine" if distance == "cosine" else "euclidean",
            estimator="ste",
            restart=restart,
        )
        require_positive(temperature=temperature)
        if distance == "dot" and self.restart is not None and self.restart.active:
            raise ConfigError(
                "IBQ restart with distance=dot: a code put on a latent outscores all others by its "
                "length; use distance=euclidean or cosine, or restart=none"
            )
        self.scores, self.temperature = distance, temperature
        self.double_quantization = DoublePenalty(double_weight)
        self.entropy = EntropyPenalty(entropy_weight, diversity=diversity, ramp=entropy_ramp)
        self.add_codebook(commitment=commitment, beta_legacy=beta_legacy, orthogonal=orthogonal)

    @property
    def needs_survey(self) -> bool:
        """The mean probabilities are of the batch as a whole."""
        return self.entropy.active

    def survey_float(self, z: Tensor) -> None:
        """Note the mean probabilities of z (B, D, h, w)."""
        if not self.entropy.active:
            return
        rows, entries = self._scaled(to_rows(z)), self.entries()
        scale = self._scale / self.temperature
        _, mean_p, _ = softmax_statistics(rows, entries, self._bias(entries), scale=scale)
        self.entropy.survey(mean_p, len(rows))

    def search(self, rows: Tensor) -> Tensor:
        """The code (N,) of highest score for each of the compared latents `rows` (N, D)."""
        entries = self.entries()
        return best_codes(rows, entries, self._bias(entries))

    def quantize(self, z: Tensor) -> Quantized:
        """The entries of highest score for z (B, D, h, w) float32."""
        rows = self._scaled(to_rows(z))
        mixture, token_entropy, mean_p, codes = self._softmax(rows)
        if self.training:
            self._accumulate_uncompiled(rows.detach(), codes)
        grid, q = codes.view(z.shape[0], *z.shape[2:]), self.entries_of(codes)
        # Exactly q; its gradient goes through p, and to the entry itself.
        q_ste = straight_through(mixture, q) + (q - q.detach())
        loss = self.loss(rows, q) + self.double_quantization(rows, q_ste)
        loss = loss + self.entropy(token_entropy, mean_p, len(rows))
        stats = {"codebook_norm": self.codebook_norm()} if self.statistics else {}
        return Quantized(to_grid(q_ste, grid), grid, loss, stats)

    def extra_repr(self) -> str:
        """Sizes and switches, for printing."""
        sizes = f"{self.codebook_size}, {self.latent_channels}, init={self.init}"
        return f"{sizes}, distance={self.scores}"

    def _softmax(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        entries = self.entries()
        return softmax_mixture(
            rows,
            entries,
            self._bias(entries),
            scale=self._scale,
            statistics_scale=self._scale / self.temperature if self.entropy.active else None,
            hard=True,
        )

    @property
    def _scale(self) -> float:
        """-|z - E|^2 is twice z E - |E|^2 / 2, but for what is alike for all codes."""
        return 2.0 if self.scores == "euclidean" else 1.0

    def _bias(self, entries: Tensor) -> Tensor | None:
        return half_squares(entries) if self.scores == "euclidean" else None


def _require_scores(distance: str) -> None:
    if distance not in get_args(Scores):
        raise ConfigError(f"IBQ distance {distance!r}: use one of {', '.join(get_args(Scores))}")
