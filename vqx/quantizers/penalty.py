"""Terms of a quantizer's loss beside commitment and codebook, and means over the global batch.

Axes: N tokens, G groups of bits or codes (possibly none), K outcomes.
"""

import torch
from torch import Tensor

from vqx.collectives import sum_over_ranks
from vqx.durations import Duration
from vqx.errors import ConfigError
from vqx.quantizers.checks import require_weights
from vqx.quantizers.schedule import Scheduled, StepState


class Penalty(StepState):
    """A term of the loss that is neither commitment nor codebook term.

    `enabled` False makes it 0: so the contracts look at the other terms by themselves.
    """

    enabled: bool = True


class BatchMean(StepState):
    """The mean over the tokens of a whole optimizer step, with the gradient of this part's mean.

    A function of the mean over the batch (the entropy of mean probabilities) is not the mean of the
    function over its parts. This returns the value of the global mean with the gradient of the
    local one: the shares of ranks and micro-batches then add up to exactly the gradient of the
    global function. With one micro-batch a step, `forward` sums over ranks by itself; with several,
    `survey` must have seen all of them before. In eval mode it is the local mean.
    """

    def __init__(self) -> None:
        super().__init__()
        self._total: Tensor | None = None  # of this rank's surveyed tokens
        self._tokens = 0
        self._mean: Tensor | None = None  # of all ranks, once known

    def survey(self, mean: Tensor, tokens: int) -> None:
        """Note the mean (...) of `tokens` tokens of one of this step's micro-batches."""
        total = mean.detach() * tokens
        self._total = total if self._total is None else self._total + total
        self._tokens += tokens

    @torch.compiler.disable  # what is surveyed is None at first: compiled anew for each case
    def forward(self, mean: Tensor, tokens: int) -> Tensor:
        """The global mean's value, with the gradient of `mean` (...), of this part's `tokens`."""
        if not self.training:
            return mean
        if self._total is None:
            whole = _mean_over_ranks(mean.detach() * tokens, tokens)
        else:
            if self._mean is None:
                self._mean = _mean_over_ranks(self._total, self._tokens)
            whole = self._mean
        return whole + (mean - mean.detach())

    def next_step(self) -> None:
        """Forget the survey."""
        self._total, self._tokens, self._mean = None, 0, None


def _mean_over_ranks(total: Tensor, tokens: int) -> Tensor:
    sums = sum_over_ranks(torch.cat([total.flatten(), total.new_full((1,), tokens)]))
    return (sums[:-1] / sums[-1]).view_as(total)


def entropy(p: Tensor) -> Tensor:
    """Entropy (...) in nats of distributions p (..., K), with a finite gradient where p is 0."""
    return -(p * p.clamp(min=torch.finfo(p.dtype).tiny).log()).sum(-1)


class EntropyPenalty(Penalty):
    """weight (H(p) mean over tokens - diversity H(mean p over the global batch)).

    Low: each token is sure of its code, and all codes are used (Jansen et al. 2019, arXiv
    1911.05894; Chang et al. 2022, arXiv 2202.04200, in the published code). ramp: steps, or text
    like "2 epochs", over which the weight goes linearly from `ramp_start` to `weight`.
    """

    def __init__(
        self,
        weight: float,
        *,
        diversity: float = 1.0,
        ramp: Duration | None = None,
        ramp_start: float = 0.0,
    ) -> None:
        super().__init__()
        weights = {"entropy_weight": weight, "diversity": diversity, "entropy_start": ramp_start}
        require_weights(**weights)
        if ramp is None and ramp_start:
            raise ConfigError(f"entropy_start {ramp_start}: give entropy_ramp too")
        self.diversity = diversity
        start = ramp_start if ramp is not None else weight
        self.weight = Scheduled(start, weight, over=ramp, name="entropy_ramp")
        self.mean = BatchMean()

    @property
    def active(self) -> bool:
        """Whether it can ever be other than 0: then it needs the survey of a split batch."""
        return self.enabled and (self.weight.start != 0 or self.weight.end != 0)

    def survey(self, mean_p: Tensor, tokens: int) -> None:
        """Note mean probabilities (..., K) of one of this step's micro-batches."""
        self.mean.survey(mean_p, tokens)

    def forward(self, token_entropy: Tensor, mean_p: Tensor, tokens: int) -> Tensor:
        """The term () from the mean entropy () of a token and mean probabilities (..., K).

        Leading axes of `mean_p` are summed: independent groups, whose `token_entropy` is a sum too.
        """
        if not self.active:
            return token_entropy.new_zeros(())
        spread = entropy(self.mean(mean_p, tokens)).sum()
        return self.weight() * (token_entropy - self.diversity * spread)

    def next_step(self) -> None:
        """One step further; forget the survey."""
        self.weight.next_step()
        self.mean.next_step()
