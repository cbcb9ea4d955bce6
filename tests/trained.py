"""Run folders as `vqx.train` leaves them, made in this process."""

from pathlib import Path

import torch
import yaml

from tests.commands import TINY
from vqx.config import composed, run_name
from vqx.models import Tokenizer
from vqx.runs.configuration import write_configuration
from vqx.runs.folder import RunFolder
from vqx.training.checkpoints import load_newest, save
from vqx.training.experiment import build_experiment, build_tokenizer
from vqx.training.launch import run_training
from vqx.training.state import TrainState

CPU = torch.device("cpu")


def configured(results: Path, *overrides: str) -> tuple[dict, RunFolder]:
    """Configuration and folder of `python -m vqx.train OVERRIDES` at the smallest size."""
    config = composed([*TINY, f"results={results}", *overrides])
    config = {key: value for key, value in config.items() if key != "hydra"}
    return config, RunFolder(results / "runs" / run_name(config))


def trained(results: Path, *overrides: str) -> Path:
    """The folder of a run of two steps, with its result."""
    short = ("trainer.steps=2", "trainer.evaluate_every=null")
    config, folder = configured(results, *short, "trainer.device=cpu", *overrides)
    deterministic = torch.are_deterministic_algorithms_enabled()
    try:
        run_training(config, folder, overrides=overrides)
    finally:
        torch.use_deterministic_algorithms(deterministic)
    return folder.path


def untrained(
    results: Path, *overrides: str, channels: int = 3, levels: int | None = None
) -> tuple[Path, Tokenizer]:
    """The folder of a run with nothing but a first checkpoint, and the tokenizer in it."""
    config, folder = configured(results, *overrides)
    torch.manual_seed(0)
    tokenizer = build_tokenizer(config, image_channels=channels, pixel_levels=levels)
    tokenizer.quantizer.set_epoch_length(7.0, run=100)
    if tokenizer.quantizer.needs_initialization:
        width = tokenizer.quantizer.latent_channels
        tokenizer.quantizer.initialize(torch.randn(4, width, 8, 8))
    write_configuration(folder, config, overrides=overrides)
    state = {"step": 0, "tokenizer": tokenizer.state_dict(), "average": None}
    save(folder.checkpoints, state, step=0)
    return folder.path, tokenizer.eval().to(memory_format=torch.channels_last)


def evaluated_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer that an evaluation of the run measures, built as the trainer does."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    state = TrainState(build_experiment(config, device=CPU), device=CPU)
    saved, _ = load_newest(folder / "checkpoints")
    state.load_state_dict(saved)
    return state.evaluated_tokenizer.eval()
