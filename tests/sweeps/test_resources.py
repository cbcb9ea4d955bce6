"""What a job asks of a node, by its configuration and the partition."""

import pytest

from tests.sweeps.fake_slurm import install
from vqx.errors import ConfigError
from vqx.sweeps.resources import Partition, Resources, _gpus, partition_of, resources_of

WITH_GPUS, WITHOUT = Partition(cores=16, gpus=4), Partition(cores=16, gpus=0)


def config(devices=1, device="auto", workers=None):
    return {"trainer": {"devices": devices, "device": device}, "data": {"workers": workers}}


@pytest.mark.parametrize(
    ("run", "options", "partition", "gpus", "cores"),
    [
        (config(), {}, WITH_GPUS, 1, 1),
        (config(), {}, WITHOUT, None, 1),
        (config(device="cuda"), {}, WITHOUT, 1, 1),  # which Slurm refuses, in its own words
        (config(device="cpu"), {}, WITH_GPUS, None, 1),
        (config(4, workers=3), {"nodes": 2}, WITH_GPUS, 2, 8),
        (config(4, workers=30), {}, WITH_GPUS, 4, 16),
        (config(2), {"gpus_per_node": 1, "cpus_per_task": 5}, WITH_GPUS, 1, 5),
        (config(2), {"gres": "gpu:a100:2"}, WITH_GPUS, None, 2),
        (config(2), {"gpus_per_node": 0}, WITH_GPUS, 0, 2),
    ],
)
def test_a_node_gets_what_its_ranks_need(run, options, partition, gpus, cores):
    assert resources_of(run, options, partition) == Resources(gpus, cores)


def test_ranks_that_cannot_be_shared_out_are_refused():
    with pytest.raises(ConfigError, match=r"trainer.devices=3 .* hydra.launcher.nodes=2"):
        resources_of(config(3), {"nodes": 2}, WITHOUT)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        *[("(null)", 0), ("gpu:2", 2), ("gpu:a100:4(S:0-1)", 4), ("gpu", 1), ("tmpdisk:30", 0)],
        ("gpu:a100:4,gpu:v100:2(S:1),ssd:1", 6),
    ],
)
def test_gpus_of_a_node(text, count):
    assert _gpus(text) == count


def test_the_partition_is_the_chosen_one_or_slurms_default(tmp_path, monkeypatch):
    fake = install(tmp_path / "slurm", monkeypatch)
    assert partition_of({"partition": "main"}) == Partition(cores=8, gpus=2)
    assert "-p main" in fake.calls[-1]
    fake.answer("sinfo", "")
    with pytest.raises(ConfigError, match="no partition moon"):
        partition_of({"partition": "moon"})
