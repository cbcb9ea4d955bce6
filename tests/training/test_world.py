"""Devices, and agreement between ranks."""

import pytest
import torch
import torch.distributed as dist

from vqx.errors import ConfigError
from vqx.training.world import World, pick_device


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without GPU")
def test_a_missing_gpu_is_named():
    assert pick_device("auto", 0).type == "cpu"
    with pytest.raises(ConfigError, match="no GPU for local rank 1"):
        pick_device("cuda", 1)


def test_one_process_agrees_with_itself():
    world = World(0, 1, torch.device("cpu"))
    assert world.agree(5) == 5
    assert world.union(["b", "a"]) == ["a", "b"]


def agreement():
    world = World(dist.get_rank(), dist.get_world_size(), torch.device("cpu"))
    names = [["c", "a"], ["b", "a"]][world.rank]
    return world.agree(world.rank * 10), world.union(names)


def test_ranks_agree_on_the_largest_value_and_all_names(two_ranks):
    assert two_ranks(agreement) == [(10, ["a", "b", "c"])] * 2
