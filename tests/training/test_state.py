"""The training state: everything that changes is saved and comes back; weight decay's reach."""

import torch
from omegaconf import OmegaConf

from tests.bits import assert_same_bits
from tests.test_config import composed
from vqx.training.experiment import build_experiment
from vqx.training.state import TrainState, make_optimizer

CPU = torch.device("cpu")


def experiment(*overrides):
    config = OmegaConf.to_container(
        composed("metrics=fast", "model.width=8", "quantizer=vq", "codebook_size=8", *overrides),
        resolve=True,
    )
    config["data"] = {"_target_": "tests.training.parts.noise_data"}
    return build_experiment(config, device=CPU)


def moved(state):
    """`state` after a step that touches everything in it."""
    loss = sum((p**2).sum() for p in state.parameters)
    loss.backward()
    state.optimizer.step()
    state.average.update(state.tokenizer, step=0)
    state.window.add({"loss": torch.tensor(2.0)}, step=0)
    state.health.observe(torch.ones(1, 1, 1, dtype=torch.int64), step=0)
    state.chronometer.train_seconds = 7.0
    state.step, state.evaluated_step = 5, 3
    return state


def test_a_restored_state_is_equal_in_everything():
    parts = experiment("trainer.ema_decay=0.9")
    saved = moved(TrainState(parts, device=CPU)).state_dict()
    fresh = TrainState(experiment("trainer.ema_decay=0.9", "seed=5"), device=CPU)
    fresh.load_state_dict(saved)
    assert_same_bits(fresh.state_dict(), saved)


def test_the_averaged_tokenizer_is_measured_where_there_is_one():
    state = TrainState(experiment("trainer.ema_decay=0.9"), device=CPU)
    assert state.evaluated_tokenizer is state.average.model
    plain = TrainState(experiment(), device=CPU)
    assert plain.evaluated_tokenizer is plain.tokenizer


def test_weight_decay_spares_biases_and_the_codebook():
    parts = experiment("trainer.weight_decay=0.1")
    decay = {
        id(parameter): group["weight_decay"]
        for group in make_optimizer(parts).param_groups
        for parameter in group["params"]
    }
    for name, parameter in parts.tokenizer.named_parameters():
        spared = name.startswith("quantizer") or name.endswith("bias")
        assert decay[id(parameter)] == (0.0 if spared else 0.1), name
