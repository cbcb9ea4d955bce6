"""What one rank does from start to end: build, restore, train, and on the first rank write down."""

import os
import sys
import traceback
from typing import Any

import torch

from vqx.cli import exit_code_of
from vqx.config import run_name, signature
from vqx.data import Data
from vqx.errors import CheckpointError, Interrupted, RunLocked, VqxError
from vqx.runs.code import own_digests
from vqx.runs.files import truncate_metrics
from vqx.runs.folder import RunFolder
from vqx.runs.provenance import write_provenance
from vqx.runs.status import Heartbeat, State, first_line, state_after
from vqx.training.checkpoints import load_newest
from vqx.training.collapse import collapse_note
from vqx.training.continuity import check_same_images
from vqx.training.evaluation import Evaluation
from vqx.training.evaluation_files import write_evaluation_files
from vqx.training.experiment import Experiment, build_experiment, construct
from vqx.training.loggers import Logger, NoLogger
from vqx.training.loop import Trainer
from vqx.training.pictures import plot_curves, plot_use
from vqx.training.placement import Rank
from vqx.training.plan import Plan
from vqx.training.progress import ProgressBar
from vqx.training.record import Record
from vqx.training.result import device_name, final_result
from vqx.training.session import Session
from vqx.training.signals import StopRequest
from vqx.training.state import TrainState
from vqx.training.world import World, join, share_cores


def train_rank(config: dict[str, Any], folder: RunFolder, rank: Rank, stop: StopRequest) -> None:
    """This rank's part of the run; the first failing rank's traceback is kept in error.txt."""
    session = Session.of(folder.path)
    try:
        _train(config, folder, rank, stop, session)
    except (Interrupted, RunLocked):  # no failures, and the latter has no business in the folder
        raise
    except Exception as error:
        try:
            folder.write_error(f"rank {rank.rank}\n\n{traceback.format_exc()}")
        except (OSError, VqxError) as unwritten:
            error.add_note(f"error.txt could not be written either: {unwritten}")
        if session is not None:
            session.fail(f"rank {rank.rank}: {first_line(error)}")
        raise


def _train(
    config: dict[str, Any],
    folder: RunFolder,
    rank: Rank,
    stop: StopRequest,
    session: Session | None,
) -> None:
    set_arithmetic(deterministic=config["trainer"]["deterministic"])
    share_cores(rank.local_size)
    world = join(rank, device_name=config["trainer"]["device"], session=session)
    if world.is_first:
        with Heartbeat(folder, steps=0) as heartbeat:
            stop.when_overdue = lambda message: heartbeat.end(State.INTERRUPTED, message)
            _write_provenance(config, folder, world)
            _fit(config, folder, world, stop, heartbeat=heartbeat)
    else:
        _fit(config, folder, world, stop, heartbeat=None)
    world.close()  # not after a failure: the farewell would wait for the other ranks


def _write_provenance(config: dict[str, Any], folder: RunFolder, world: World) -> None:
    write_provenance(
        folder,
        command=sys.argv,
        seed=int(config["seed"]),
        device=device_name(world.device),
        devices=world.size,
        extra={
            "own_code": own_digests(config),
            "nodes": world.nodes,
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
        },
    )


def _fit(
    config: dict[str, Any],
    folder: RunFolder,
    world: World,
    stop: StopRequest,
    *,
    heartbeat: Heartbeat | None,
) -> None:
    _leave_if_asked(stop, world)
    experiment = build_experiment(config, device=world.device)
    state = TrainState(experiment, device=world.device)
    _restore(state, experiment.data, folder, world)
    _leave_if_asked(stop, world)
    plan = Plan.of(experiment)
    _announce(experiment, state, plan, folder, world)
    logger = _started_logger(config, folder, world)
    bar = ProgressBar(total=plan.steps, initial=state.step, shown=world.is_first)
    record = Record(folder, logger, heartbeat)
    try:
        record.alive(step=state.step, steps=plan.steps)
        trainer = Trainer(experiment, state, world, stop, record, bar)
        evaluation = trainer.fit()
        if world.is_first:
            _write_down(evaluation, experiment, state, folder, world, heartbeat)
        world.barrier()
    finally:
        bar.close()
        record.close()
        if world.is_first:
            _finish(logger, folder, sys.exception())


def _leave_if_asked(stop: StopRequest, world: World) -> None:
    """Before anything is trained there is nothing to save: what is on disk counts."""
    if number := world.agree(stop.signal_number):
        raise Interrupted(
            f"stopped by signal {number} before its next step: the same command goes on",
            signal_number=number,
        )


def _started_logger(config: dict[str, Any], folder: RunFolder, world: World) -> Logger:
    """The configured logger on the first rank; the others log nothing."""
    if not world.is_first:
        return NoLogger()
    logger: Logger = construct(config["logger"], what="logger")
    logger.start(
        folder=folder.path,
        signature=signature(config),
        name=run_name(config),
        config=config,
    )
    return logger


def _finish(logger: Logger, folder: RunFolder, error: BaseException | None) -> None:
    """Tell the logger how the run ended; a folder taken over is another process's to go on with."""
    state, message = state_after(error), first_line(error)
    if isinstance(error, RunLocked):
        state = State.INTERRUPTED
    elif error is None and (status := folder.read_status()) and status.state is State.COLLAPSED:
        state, message = status.state, status.message
    logger.finish(state=state, exit_code=exit_code_of(error) if error else 0, message=message)


def _write_down(
    evaluation: Evaluation,
    experiment: Experiment,
    state: TrainState,
    folder: RunFolder,
    world: World,
    heartbeat: Heartbeat | None,
) -> None:
    """The final evaluation as pictures, state and result; the result, last, says it is done."""
    plot_use(evaluation, folder.images / "codebook_usage.png")
    plot_curves(folder.metrics, folder.images / "curves.png", terms=experiment.losses.terms)
    write_evaluation_files(evaluation, state.evaluated_tokenizer.quantizer, folder)
    _judge(evaluation, experiment, heartbeat)
    folder.write_result(final_result(experiment, state, evaluation, world))


def _restore(state: TrainState, data: Data, folder: RunFolder, world: World) -> None:
    """Go on from the newest intact checkpoint, if there is one; log lines beyond it are dropped."""
    saved, damaged = load_newest(folder.checkpoints)
    if saved is not None:
        check_same_images(saved.get("images", {}), data, folder=folder.path)
        state.load_state_dict(saved)
    if world.agree(state.step) != -world.agree(-state.step):
        raise CheckpointError(
            f"ranks see different checkpoints in {folder.checkpoints} (this one's step is "
            f"{state.step}): put `results` on a file system that all nodes share"
        )
    if not world.is_first:
        return
    for path in damaged:
        print(f"{path} is damaged: put aside, going on from the one before")
        path.rename(path.with_suffix(".damaged"))
    truncate_metrics(
        folder.metrics,
        step=state.step,
        evaluated_step=state.evaluated_step,
        check=folder.check,
    )


def _announce(
    experiment: Experiment, state: TrainState, plan: Plan, folder: RunFolder, world: World
) -> None:
    if not world.is_first:
        return
    data, parameters = experiment.data, sum(p.numel() for p in state.parameters)
    start = f"resuming at step {state.step}" if state.step else "starting"
    print(
        f"{folder.path}\n{start}: {plan.steps} steps of {experiment.settings.batch_size} images, "
        f"{parameters / 1e6:.2f} M parameters, {len(data.train)} training and "
        f"{len(data.evaluation)} evaluation images ({data.name}, {data.image_size} px), "
        f"{world.size} x {world.device.type}\ndata loader: {data.loader}\n"
        f"loss: {experiment.losses.describe()}"
    )
    for metric, reason in experiment.missing.items():
        print(f"{metric} will be left out: {reason}")


def _judge(evaluation: Evaluation, experiment: Experiment, heartbeat: Heartbeat | None) -> None:
    """Let a collapsed run's status say so; before its result is there, which says it is done."""
    note = collapse_note(
        evaluation.counts,
        evaluation.bit_entropies,
        tokens=evaluation.tokens,
        floor=experiment.settings.collapse_floor,
    )
    if note is not None and heartbeat is not None:
        heartbeat.end(State.COLLAPSED, note)


def set_arithmetic(*, deterministic: bool) -> None:
    """Let float32 be float32 (no TF32 on GPUs), and give the same bits each time if wanted."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)
    # Only for finding reads of uninitialised memory: it would fill every new tensor with NaN.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = not deterministic
