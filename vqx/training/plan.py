"""When a run logs, evaluates and saves, and when it starts to quantize."""

from dataclasses import dataclass

from vqx.durations import steps_in
from vqx.errors import ConfigError
from vqx.training.experiment import Experiment


@dataclass(frozen=True, slots=True)
class Plan:
    """Intervals in optimizer steps; None means only at the end."""

    steps: int
    log_every: int
    evaluate_every: int | None
    checkpoint_every: int | None
    pretraining_steps: int = 0

    @classmethod
    def of(cls, experiment: Experiment) -> "Plan":
        """The settings' intervals, epochs turned into steps of this data set."""
        settings = experiment.settings
        epoch = len(experiment.data.train) / settings.batch_size
        names = ("steps", "log_every", "evaluate_every", "checkpoint_every")
        given = {n: d for n in names if (d := getattr(settings, n)) is not None}
        values = {
            n: steps_in(d, name=f"trainer.{n}", steps_per_epoch=epoch) for n, d in given.items()
        }
        steps, pretraining = values["steps"], 0
        if settings.pretraining_steps:
            pretraining = steps_in(
                settings.pretraining_steps,
                name="trainer.pretraining_steps",
                steps_per_epoch=epoch,
                run=steps,
            )
        if pretraining >= steps:
            raise ConfigError(
                f"trainer.pretraining_steps={settings.pretraining_steps} leaves none of the "
                f"{steps} steps to train with codes: lower it"
            )
        every = values.get("evaluate_every"), values.get("checkpoint_every")
        return cls(steps, values["log_every"], *every, pretraining_steps=pretraining)

    def quantizes_at(self, step: int) -> bool:
        """Whether optimizer step `step` (from 0) trains with codes; before, without quantizer."""
        return step >= self.pretraining_steps

    def evaluates_at(self, step: int) -> bool:
        """Whether an evaluation is due after `step` steps; the one at the end is not counted.

        None is due until a step has been trained with codes: there is nothing to decode before.
        """
        return _due(self.evaluate_every, step) and self.pretraining_steps < step < self.steps

    def saves_at(self, step: int) -> bool:
        """Whether a checkpoint is due after `step` steps, the end included."""
        return step == self.steps or _due(self.checkpoint_every, step)

    def logs_at(self, step: int) -> bool:
        """Whether a log line is due after `step` steps, the end included."""
        return step == self.steps or _due(self.log_every, step)

    def evaluations_left(self, step: int) -> int:
        """Evaluations still to come after `step` steps, the one at the end included."""
        every, done = self.evaluate_every, max(step, self.pretraining_steps)
        return 1 + (max(0, (self.steps - 1) // every - done // every) if every else 0)


def _due(every: int | None, step: int) -> bool:
    return every is not None and step > 0 and step % every == 0
