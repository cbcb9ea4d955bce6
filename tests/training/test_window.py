"""The log window: means over steps and ranks, the first non-finite step, and its checkpoint."""

import pytest
import torch

from vqx.training.window import LossWindow

CPU = torch.device("cpu")


def filled(values, first_step=0):
    window = LossWindow(CPU)
    for offset, value in enumerate(values):
        window.add({"loss": torch.tensor(value), "l2": torch.tensor(1.0)}, step=first_step + offset)
    return window


def test_means_are_over_the_steps_since_the_last_call():
    window = filled([1.0, 2.0, 6.0])
    assert window.means() == {"loss": 3.0, "l2": 1.0}
    assert window.means() == {}
    window.add({"loss": torch.tensor(5.0), "l2": torch.tensor(1.0)}, step=3)
    assert window.means()["loss"] == 5.0


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_the_first_bad_step_is_remembered(bad):
    assert filled([1.0, 2.0]).first_bad_step() is None
    assert filled([1.0, bad, 2.0, bad], first_step=7).first_bad_step() == 8


def test_a_restored_window_goes_on_as_if_unbroken():
    whole = filled([1.0, 2.0, 6.0])
    first, second = filled([1.0, 2.0]), LossWindow(CPU)
    second.load_state_dict(first.state_dict())
    second.add({"loss": torch.tensor(6.0), "l2": torch.tensor(1.0)}, step=2)
    assert second.means() == whole.means()


def test_a_watched_gradient_counts_too():
    window = LossWindow(CPU)
    values = {"loss": torch.tensor(1.0), "gradient_norm": torch.tensor(float("nan"))}
    window.add(values, step=4, watched=("loss", "gradient_norm"))
    assert window.first_bad_step() == 4


def restored_over_ranks(values):
    import torch.distributed as dist

    first, second = filled([values[dist.get_rank()]]), LossWindow(CPU)
    second.load_state_dict(first.state_dict())
    return second.means()


def test_a_restored_window_is_that_of_all_ranks(two_ranks):
    assert two_ranks(restored_over_ranks, [1.0, 4.0]) == [{"loss": 2.5, "l2": 1.0}] * 2


def mean_over_ranks(values):
    import torch.distributed as dist

    return filled([values[dist.get_rank()]]).means()


def test_means_are_over_all_ranks(two_ranks):
    assert two_ranks(mean_over_ranks, [1.0, 4.0]) == [{"loss": 2.5, "l2": 1.0}] * 2
