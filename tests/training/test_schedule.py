"""Warm-up and cosine decay at the points that can be computed by hand."""

import pytest

from vqx.training.schedule import learning_rate

SHAPE = {"steps": 111, "warmup_steps": 10, "peak": 1.0, "minimum": 0.2}


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 0.1), (4, 0.5), (9, 1.0), (10, 1.0), (60, 0.6), (110, 0.2)]
)
def test_rate_at_known_points(step, rate):
    assert learning_rate(step, **SHAPE) == pytest.approx(rate)


def test_no_warm_up_starts_at_the_peak_and_one_step_is_enough():
    assert learning_rate(0, steps=1, warmup_steps=0, peak=3.0, minimum=0.0) == 3.0


def test_a_run_shorter_than_its_warm_up_stays_below_the_peak():
    assert learning_rate(4, steps=5, warmup_steps=10, peak=1.0, minimum=0.0) == 0.5
