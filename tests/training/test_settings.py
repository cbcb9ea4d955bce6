"""The trainer's settings: what is refused, and intervals in steps or epochs."""

from pathlib import Path

import pytest
import yaml

from vqx.config import conf_dir
from vqx.errors import ConfigError
from vqx.training.settings import TrainerSettings


def default(**changes):
    config = yaml.safe_load(Path(conf_dir() / "trainer/default.yaml").read_text())
    return TrainerSettings.from_config({**config, **changes})


def test_the_default_file_is_accepted():
    assert default().batch_size >= 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"precision": "fp8"}, "fp32, bf16 or fp16; got 'fp8'"),
        ({"batch_size": 0}, "trainer.batch_size must be at least 1"),
        ({"batch_size": 2.5}, "trainer.batch_size must be a whole number"),
        ({"learning_rate": 0}, "trainer.learning_rate must be positive"),
        ({"ema_decay": 1.0}, "between 0 and 1"),
        ({"batch_size": 4, "devices": 3, "accumulation": 2}, "devices=3 x accumulation=2"),
        ({"learning_rate": "abc"}, "trainer.learning_rate must be a number; got 'abc'"),
        ({"warmup_steps": "2 epochs"}, "trainer.warmup_steps must be a whole number"),
        ({"weight_decay": -1}, "trainer.weight_decay must be 0 or more"),
        ({"compile": "maybe"}, "trainer.compile must be true or false"),
        ({"betas": [0.9]}, "trainer.betas must be two numbers"),
        ({"devices": True}, "trainer.devices must be a whole number"),
        ({"step": 5}, "'trainer.step' is no option \\(did you mean 'steps'"),
    ],
)
def test_a_wrong_setting_is_named(change, message):
    with pytest.raises(ConfigError, match=message):
        default(**change)
