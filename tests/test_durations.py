"""Durations in steps and epochs."""

import pytest

from vqx.durations import steps_in
from vqx.errors import ConfigError


@pytest.mark.parametrize(
    ("interval", "steps"),
    [(7, 7), ("2 epochs", 21), ("1 epoch", 10), ("0.01 epochs", 1)],
)
def test_intervals_are_steps_or_epochs(interval, steps):
    assert steps_in(interval, name="steps", steps_per_epoch=10.4) == steps


@pytest.mark.parametrize("interval", [0, -1, "often", "2 weeks", "0 epochs", True, 1.5])
def test_other_intervals_are_refused(interval):
    with pytest.raises(ConfigError, match=r"trainer\.log_every must be"):
        steps_in(interval, name="trainer.log_every", steps_per_epoch=10)


def test_per_cent_are_of_the_run():
    assert steps_in("30%", name="over", steps_per_epoch=7, run=50) == 15
    with pytest.raises(ConfigError, match="over='30%': call set_epoch_length"):
        steps_in("30%", name="over", steps_per_epoch=7)


def test_epochs_of_unknown_length_say_what_to_call():
    assert steps_in(3, name="over", steps_per_epoch=None) == 3
    with pytest.raises(ConfigError, match=r"over='2 epochs': call set_epoch_length\(\) first"):
        steps_in("2 epochs", name="over", steps_per_epoch=None)
