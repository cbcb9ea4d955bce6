"""Ranks from the environment, devices, and agreement between ranks."""

import pytest
import torch
import torch.distributed as dist

from vqx.errors import ConfigError
from vqx.training.world import Rank, World, _first_node, pick_device, rank_from_environment


def test_torchrun_variables_are_read():
    environment = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}
    assert rank_from_environment(environment) == Rank(3, 4, 1)


def test_srun_variables_are_read_only_for_several_tasks():
    environment = {
        "SLURM_STEP_ID": "0",
        "SLURM_NTASKS": "2",
        "SLURM_PROCID": "1",
        "SLURM_LOCALID": "0",
    }
    assert rank_from_environment(environment) == Rank(1, 2, 0)
    assert rank_from_environment({**environment, "SLURM_NTASKS": "1"}) is None
    assert rank_from_environment({"SLURM_NTASKS": "2"}) is None  # sbatch alone, outside srun
    assert rank_from_environment({}) is None


def test_a_plain_node_name_needs_no_scontrol():
    assert _first_node("node-7") == "node-7"
    assert _first_node("") == "127.0.0.1"


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
