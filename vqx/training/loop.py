"""The training loop: evaluate, save, step, log, in the order in which one reads it.

Every step is a function of (configuration, state at the step before): the order of images, their
crops and all randomness come from (seed, rank, step), so a resumed run repeats the unbroken one.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from torch import Tensor, nn

from vqx.data import train_batches
from vqx.errors import Diverged, Interrupted
from vqx.metrics import Metric
from vqx.training.checkpoints import save
from vqx.training.evaluation import Evaluation, evaluate
from vqx.training.experiment import Experiment
from vqx.training.inputs import MicroBatch, micro_batches_of
from vqx.training.plan import Plan
from vqx.training.progress import ProgressBar, clock
from vqx.training.record import Record
from vqx.training.schedule import learning_rate
from vqx.training.signals import StopRequest
from vqx.training.start import VARIANCE_IMAGES, data_variance, start_codebook
from vqx.training.state import TrainState
from vqx.training.step import (
    TrainingForward,
    compile_tokenizer,
    parallel,
    reseed,
    shared_generator,
)
from vqx.training.update import Update
from vqx.training.world import World


@dataclass(slots=True)
class Trainer:
    """One run on this rank: `fit` trains from the state's step to the end and evaluates."""

    experiment: Experiment
    state: TrainState
    world: World
    stop: StopRequest
    record: Record
    bar: ProgressBar
    plan: Plan = field(init=False)
    update: Update = field(init=False)
    _batches: Generator[list[Tensor], None, None] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.plan = Plan.of(self.experiment)
        state, settings = self.state, self.experiment.settings
        self.update = Update(
            self._wrapped(),
            self.experiment.losses,
            state.optimizer,
            state.parameters,
            state.precision,
            state.health,
            settings.clip_norm,
            self.plan.steps,
            state.adversary,
        )

    def fit(self) -> Evaluation:
        """Train to the last step, then the final evaluation.

        Raises Interrupted after saving when a signal asked to stop, Diverged at a non-finite loss.
        """
        with closing(self):
            self._start()
            for step in range(self.state.step, self.plan.steps + 1):
                if self.plan.evaluates_at(step) and self.state.evaluated_step != step:
                    self._evaluate([m for m in self.experiment.metrics if not m.final_only])
                stopping = self.world.agree(self.stop.signal_number)
                if self.plan.saves_at(step) or stopping:
                    self._save()
                if stopping:
                    self._leave(stopping)
                if step < self.plan.steps:
                    self.advance(1)
        return self._evaluate(self.experiment.metrics)

    def close(self) -> None:
        """End the loader's workers."""
        if self._batches is not None:
            self._batches.close()
            self._batches = None

    def advance(self, steps: int) -> None:
        """Take the next `steps` optimizer steps, with their log lines, and nothing else."""
        batches = self._start()
        for step in range(self.state.step, self.state.step + steps):
            self._step(next(batches), step)
            if self.plan.logs_at(step + 1):
                self._log()

    def _start(self) -> Generator[list[Tensor], None, None]:
        """The batches from the state's step on, once all that depends on data is prepared."""
        if self._batches is None:
            self._prepare(self.state.step)
            self._batches = self._batches_from(self.state.step)
            self.state.chronometer.start()
        return self._batches

    def _step(self, micro_batches: list[Tensor], step: int) -> None:
        """Optimizer step number `step` (from 0)."""
        state, settings = self.state, self.experiment.settings
        quantizes = self.plan.quantizes_at(step)
        if quantizes and state.tokenizer.quantizer.needs_initialization:
            self._prepare(step)
        reseed(self.experiment.seed, rank=self.world.rank, step=step)
        rate = learning_rate(
            step,
            steps=self.plan.steps,
            warmup_steps=settings.warmup_steps,
            peak=settings.learning_rate,
            minimum=settings.minimum_learning_rate,
            decay=settings.decay,
        )
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        batches = self._micro_batches(micro_batches, step)
        values = self.update(batches, step=step, quantize=quantizes)
        if quantizes:
            generator = shared_generator(self.experiment.seed, step=step)
            state.tokenizer.quantizer.update_codebook(generator=generator)
        if state.average is not None:
            state.average.update(state.tokenizer, step=step)
        # An infinite gradient is no news in fp16: the scaler skips that step.
        players = ("loss", "discriminator") if state.adversary is not None else ("loss",)
        scaled = state.precision.scaler.is_enabled()
        norms = [name for name in values if name.endswith("gradient_norm")]
        watched = players if scaled else (*players, *norms)
        state.window.add(values, step=step, watched=watched)
        state.step = step + 1
        self._check_finite(at_once=False)
        state.chronometer.step(settings.batch_size, devices=self.world.size)
        self.bar.advance()

    def _check_finite(self, *, at_once: bool) -> None:
        """Raise Diverged at a non-finite loss of any rank.

        On a GPU only where the host waits anyway, and `at_once` before anything is saved; the
        window remembers which step it was.
        """
        on_cpu, done = self.world.device.type == "cpu", self.state.step
        waits = self.plan.logs_at(done) or self.plan.saves_at(done) or self.plan.evaluates_at(done)
        if not (at_once or on_cpu or waits):
            return
        bad = self.state.window.first_bad_step()
        left = self.world.agree(0 if bad is None else self.plan.steps - bad)  # the first: the most
        if left:
            raise Diverged(
                f"the loss became NaN or infinite at step {self.plan.steps - left + 1}: lower "
                "trainer.learning_rate, or see metrics.jsonl for what grew before"
            )

    def _log(self) -> None:
        state, plan = self.state, self.plan
        means, health = state.window.means(), state.health.values(step=state.step)
        self.record.line(
            "train",
            step=state.step,
            images_seen=state.step * self.experiment.settings.batch_size,
            seconds=state.chronometer.train_seconds,
            values={**means, **health, "learning_rate": state.optimizer.param_groups[0]["lr"]},
        )
        speed = state.chronometer.images_per_second
        eta = state.chronometer.eta_seconds(
            steps_left=plan.steps - state.step, evaluations_left=plan.evaluations_left(state.step)
        )
        self.record.alive(
            step=state.step, steps=plan.steps, eta_seconds=eta, images_per_second=speed
        )
        losses = {name: means[name] for name in ("loss", *self.experiment.losses.terms)}
        # What only the final evaluation measures has not been timed yet.
        rest = " + final metrics" if any(m.final_only for m in self.experiment.metrics) else ""
        self.bar.report(step=state.step, losses=losses, speed=speed, eta=clock(eta) + rest)

    def _evaluate(self, metrics: Sequence[Metric]) -> Evaluation:
        state, experiment = self.state, self.experiment
        result = evaluate(
            state.evaluated_tokenizer,
            experiment.data,
            metrics,
            world=self.world,
            batch_size=experiment.settings.evaluation_batch_size,
            mask=experiment.mask,
            check_stop=self._check_stop,
            show_progress=self.world.is_first,
        )
        state.chronometer.evaluate_seconds = result.seconds
        if state.evaluated_step != state.step:
            self.record.line(
                "evaluate",
                step=state.step,
                images_seen=state.step * experiment.settings.batch_size,
                seconds=state.chronometer.train_seconds,
                values=result.values,
            )
            state.evaluated_step = state.step
        self.record.reconstructions(state.evaluated_tokenizer, experiment.data, step=state.step)
        state.chronometer.start()
        return result

    def _check_stop(self) -> None:
        """Within an evaluation or preparation: save and leave if a signal asked to."""
        if stopping := self.world.agree(self.stop.signal_number):
            self._save()
            self._leave(stopping)

    def _save(self) -> None:
        self._check_finite(at_once=True)
        replaced = [*self.state.replaced, *self.experiment.data.train.left_out]
        self.state.replaced = self.world.union(replaced)
        state = self.state.state_dict()  # of all ranks: the open log window is
        if self.world.is_first:
            self.record.flush()
            folder = self.record.folder
            save(folder.checkpoints, state, step=self.state.step, check=folder.check)
        self.world.barrier()
        self.state.chronometer.start()

    def _leave(self, signal_number: int) -> None:
        self.record.alive(step=self.state.step, steps=self.plan.steps)
        raise Interrupted(
            f"stopped by signal {signal_number} at step {self.state.step} of {self.plan.steps}, "
            "state saved: the same command goes on from here",
            signal_number=signal_number,
        )

    def _prepare(self, step: int) -> None:
        """What depends on data: a loss's variance, and the codebook before its first step."""
        losses, quantizer = self.experiment.losses, self.state.tokenizer.quantizer
        size = self.experiment.settings.batch_size
        if losses.needs_variance:
            images = min(VARIANCE_IMAGES, len(self.experiment.data.train))
            with closing(self._batches_from(0)) as batches:
                read = self._stoppable(batches)
                losses.set_variance(data_variance(read, images=images, batch_size=size))
        if not (self.plan.quantizes_at(step) and quantizer.needs_initialization):
            return
        with closing(self._batches_from(step)) as batches:
            inputs = (
                [batch.inputs for batch in self._micro_batches(images, step + later)]
                for later, images in enumerate(self._stoppable(batches))
            )
            start_codebook(
                self.state.tokenizer,
                inputs,
                batches=self.experiment.settings.codebook_batches or 1,
                generator=shared_generator(self.experiment.seed, step=-1),
            )
        if self.state.average is not None:
            quantizer_state = quantizer.state_dict()
            self.state.average.model.quantizer.load_state_dict(quantizer_state)

    def _stoppable(self, batches: Iterable[list[Tensor]]) -> Iterator[list[Tensor]]:
        """The same batches, until a signal asks to stop; as many are read on every rank."""
        for batch in batches:
            self._check_stop()
            yield batch

    def _micro_batches(self, images: Sequence[Tensor], step: int) -> list[MicroBatch]:
        experiment = self.experiment
        return micro_batches_of(
            images,
            step=step,
            seed=experiment.seed,
            batch_size=experiment.settings.batch_size,
            world=self.world,
            mask=experiment.mask,
        )

    def _batches_from(self, start_step: int) -> Generator[list[Tensor], None, None]:
        settings = self.experiment.settings
        return train_batches(
            self.experiment.data,
            batch_size=settings.batch_size,
            seed=self.experiment.seed,
            start_step=start_step,
            rank=self.world.rank,
            world_size=self.world.size,
            micro_batches=settings.accumulation,
            device=self.world.device,
        )

    def _wrapped(self) -> nn.Module:
        """The training forward pass, compiled and made parallel as asked."""
        forward: nn.Module = TrainingForward(self.state.tokenizer)
        if self.experiment.settings.compile:
            compile_tokenizer(self.state.tokenizer)
        if self.world.size > 1:
            forward = parallel(forward)
        return forward
