"""Samplers whose draws for a trial do not depend on where a search was interrupted."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

LOST = "vqx_lost"  # user attribute of a trial whose search was killed: it was tried again


class PlacedSampler(BaseSampler):
    """A sampler made anew for each trial, seeded by `seed` and the trial's place in the study.

    With one random state from the start, a restarted search would repeat its first suggestions.
    Lost trials have no place, so an interrupted search suggests what an unbroken one does.
    """

    def __init__(self, make: Callable[[int], BaseSampler], *, seed: int) -> None:
        self._make = make
        self._seed = seed
        self._made: tuple[int, BaseSampler] | None = None

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """As the sampler of this trial does."""
        return self._of(study, trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As the sampler of this trial does."""
        return self._of(study, trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """As the sampler of this trial does."""
        sampler = self._of(study, trial)
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """As the sampler of this trial does."""
        self._of(study, trial).after_trial(study, trial, state, values)

    def _of(self, study: Study, trial: FrozenTrial) -> BaseSampler:
        if self._made is None or self._made[0] != trial.number:
            trials = study.get_trials(deepcopy=False)
            place = sum(t.number < trial.number and LOST not in t.user_attrs for t in trials)
            seeds = numpy.random.SeedSequence([self._seed, place]).generate_state(1)
            self._made = trial.number, self._make(int(seeds[0]))
        return self._made[1]
