"""Scheduled numbers, step by step."""

import math

import pytest
import torch

from vqx.errors import ConfigError
from vqx.quantizers import FSQ
from vqx.quantizers.schedule import Scheduled


def _values(schedule, steps):
    values = []
    for _ in range(steps):
        values.append(schedule().item())
        schedule.next_step()
    return values


def test_linear_reaches_the_end_and_stays():
    values = _values(Scheduled(1.0, 0.0, over=4), 7)
    assert values == pytest.approx([1, 0.75, 0.5, 0.25, 0, 0, 0])


def test_cosine_is_half_a_period():
    values = _values(Scheduled(1.0, 1 / 16, over=8, shape="cosine"), 9)
    expected = [1 / 16 + (15 / 16) * (1 + math.cos(math.pi * t / 8)) / 2 for t in range(9)]
    assert values == pytest.approx(expected)


def test_quarter_cosine_is_level_at_the_start_only():
    values = _values(Scheduled(1.0, 0.0, over=10, shape="quarter_cosine"), 11)
    assert values == pytest.approx([math.cos(math.pi / 2 * t / 10) for t in range(11)])


def test_epochs_need_to_be_told_their_length():
    schedule = Scheduled(0.0, 1.0, over="2 epochs", name="kl_ramp")
    with pytest.raises(ConfigError, match="kl_ramp='2 epochs': call set_epoch_length"):
        schedule()
    owner = FSQ([3])
    owner.add_module("schedule", schedule)
    owner.set_epoch_length(2.5)
    for expected in (0, 0.2, 0.4):
        assert schedule().item() == pytest.approx(expected)
        owner.update_codebook()


def test_no_duration_means_the_end_at_once():
    assert Scheduled(5.0, 2.0, over=None)().item() == 2
    assert _values(Scheduled.constant(0.5), 3) == [0.5] * 3


def test_a_checkpoint_goes_on_where_it_was():
    first, second = Scheduled(0.0, 1.0, over=10), Scheduled(0.0, 1.0, over=10)
    _values(first, 3)
    second.load_state_dict(first.state_dict())
    assert second().item() == first().item() == pytest.approx(0.3)
    assert _values(second, 2) == _values(first, 2)


def test_a_value_that_changes_compiles_nothing_anew():
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph

    schedule = Scheduled(0.0, 1.0, over=50)
    compiled = torch.compile(lambda x: x * schedule(), backend=backend)
    for _ in range(20):
        torch.testing.assert_close(compiled(torch.ones(3)), torch.ones(3) * schedule().item())
        schedule.next_step()
    assert len(graphs) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"over": 0}, "kl_ramp must be steps"),
        ({"over": "soon"}, "kl_ramp must be steps"),
        ({"over": 3, "shape": "square"}, "kl_ramp shape 'square'"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Scheduled(0.0, 1.0, name="kl_ramp", **arguments)
