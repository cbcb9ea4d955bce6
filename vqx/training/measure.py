"""A finished or stopped run measured again from its newest checkpoint."""

from dataclasses import dataclass
from typing import Any

from vqx.errors import CheckpointError, ConfigError
from vqx.quantizers import Quantizer
from vqx.runs.folder import RunFolder, read_json
from vqx.training.checkpoints import load_newest
from vqx.training.evaluation import Evaluation, evaluate
from vqx.training.experiment import Experiment, build_experiment
from vqx.training.placement import Rank
from vqx.training.plan import Plan
from vqx.training.rank import set_arithmetic
from vqx.training.result import cost_of, result_of
from vqx.training.state import TrainState
from vqx.training.world import join


@dataclass(frozen=True, slots=True)
class Measured:
    """The content of a result.json, and the evaluation and quantizer that it is of."""

    result: dict[str, Any]
    evaluation: Evaluation
    quantizer: Quantizer


def measure(config: dict[str, Any], folder: RunFolder) -> Measured:
    """The newest checkpoint in `folder` measured, on one device.

    `complete` in the result says whether that checkpoint is the end of the run. The cost is that of
    the training, from the result before or else from the checkpoint's clocks. Raises
    CheckpointError when there is no intact checkpoint, ConfigError when the data do not fit the
    model.
    """
    set_arithmetic(deterministic=config["trainer"]["deterministic"])
    world = join(Rank(), device_name=config["trainer"]["device"])
    experiment = build_experiment(config, device=world.device)
    state = TrainState(experiment, device=world.device)
    _load(state, folder, experiment)
    plan = Plan.of(experiment)
    if not plan.quantizes_at(state.step - 1):
        raise CheckpointError(
            f"{folder.path} was stopped at step {state.step}, in its {plan.pretraining_steps} "
            "steps of pretraining: it has no codes yet; the training command goes on from there"
        )
    print(f"data loader: {experiment.data.loader}")
    for metric, reason in experiment.missing.items():
        print(f"{metric} is left out: {reason}")
    evaluation = evaluate(
        state.evaluated_tokenizer,
        experiment.data,
        experiment.metrics,
        world=world,
        batch_size=experiment.settings.evaluation_batch_size,
        mask=experiment.mask,
        show_progress=True,
    )
    result = {
        **result_of(experiment, evaluation, replaced=state.replaced),
        "complete": state.step == plan.steps,
        "cost": _cost(folder, state, config["trainer"]["batch_size"], evaluation.seconds),
    }
    return Measured(result, evaluation, state.evaluated_tokenizer.quantizer)


def _load(state: TrainState, folder: RunFolder, experiment: Experiment) -> None:
    saved, damaged = load_newest(folder.checkpoints)
    if saved is None:
        raise CheckpointError(f"no checkpoint in {folder.checkpoints}: train the run first")
    for path in damaged:
        print(f"{path} is damaged: measuring the one before")
    try:
        state.load_state_dict(saved)
    except RuntimeError as error:
        raise ConfigError(
            f"the checkpoint in {folder.path} does not fit data={experiment.data.name} "
            f"({experiment.data.channels} channels): {str(error).splitlines()[-1].strip()}"
        ) from error


def _cost(
    folder: RunFolder, state: TrainState, batch_size: int, evaluate_seconds: float
) -> dict[str, Any]:
    before = folder.read_result()
    if before is not None and before["cost"]["steps"] == state.step:
        return {**before["cost"], "evaluate_seconds": evaluate_seconds}
    environment = read_json(folder.environment) or {}
    return cost_of(
        state,
        batch_size=batch_size,
        evaluate_seconds=evaluate_seconds,
        device=environment.get("device"),
        devices=environment.get("devices"),
        nodes=environment.get("nodes"),
        peak_memory_bytes=None,
    )
