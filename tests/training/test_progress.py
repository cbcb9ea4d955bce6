"""The clock: training time only, warm-up apart, and an estimate that counts evaluations."""

import io
import sys

import pytest

from vqx.training import progress
from vqx.training.progress import Chronometer, clock, evaluation_progress


@pytest.fixture
def time(monkeypatch):
    class Time:
        now = 0.0

        def perf_counter(self):
            return self.now

    fake = Time()
    monkeypatch.setattr(progress, "time", fake)
    return fake


def run(chronometer, time, seconds):
    for duration in seconds:
        time.now += duration
        chronometer.step(images=32)


def test_warm_up_steps_do_not_count_for_speed_but_for_time(time):
    chronometer = Chronometer()
    chronometer.start()
    run(chronometer, time, [9.0, 9.0, 9.0])
    assert chronometer.images_per_second is None
    assert chronometer.eta_seconds(steps_left=10, evaluations_left=1) is None
    run(chronometer, time, [0.5, 0.5])
    assert chronometer.images_per_second == 64
    assert chronometer.train_seconds == 28


def test_time_outside_training_is_left_out(time):
    chronometer = Chronometer()
    chronometer.start()
    run(chronometer, time, [1.0] * 4)
    time.now += 1000
    chronometer.start()
    run(chronometer, time, [1.0])
    assert chronometer.train_seconds == 5
    assert chronometer.images_per_second == 32


def test_the_estimate_adds_the_evaluations_to_come(time):
    chronometer = Chronometer()
    chronometer.start()
    run(chronometer, time, [1.0] * 3 + [2.0] * 4)
    chronometer.evaluate_seconds = 30.0
    assert chronometer.eta_seconds(steps_left=10, evaluations_left=2) == 80


def test_a_resumed_clock_goes_on(time):
    chronometer = Chronometer()
    chronometer.start()
    run(chronometer, time, [1.0] * 5)
    resumed = Chronometer()
    resumed.load_state_dict(chronometer.state_dict())
    assert resumed.train_seconds == 5
    assert resumed.images_per_second == chronometer.images_per_second


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "?"), (0.4, "0:00"), (62, "1:02"), (3 * 3600 + 61, "3:01:01")]
)
def test_durations_read_like_a_clock(seconds, text):
    assert clock(seconds) == text


class Screen(io.StringIO):
    """A stderr that is a terminal, or not."""

    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


def evaluation_shown(monkeypatch, time, *, terminal=True, shown=True):
    screen = Screen(terminal)
    monkeypatch.setattr(sys, "stderr", screen)
    for index in evaluation_progress(1000, rounds=4, a_round=256, shown=shown):
        time.now += 60.0 if index == 0 else 2.56
    return screen.getvalue()


def test_an_evaluation_shows_its_pace_without_the_first_round(monkeypatch, time):
    text = evaluation_shown(monkeypatch, time)
    assert "evaluate" in text
    assert "512/1000 images, 100 img/s  eta 0:05" in text
    assert "1000/1000 images" in text


@pytest.mark.parametrize("where", [{"terminal": False}, {"shown": False}])
def test_an_evaluation_shows_nothing_elsewhere(monkeypatch, time, where):
    assert evaluation_shown(monkeypatch, time, **where) == ""
