"""What a job needs of a Slurm node: GPUs and cores, from its configuration and the partition."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vqx.errors import ConfigError
from vqx.sweeps.slurm import patient_output


@dataclass(frozen=True, slots=True)
class Partition:
    """The largest of a partition's nodes: cores, and GPUs (0 where there are none)."""

    cores: int
    gpus: int


@dataclass(frozen=True, slots=True)
class Resources:
    """Of each of a job's nodes; None leaves it to Slurm."""

    gpus_per_node: int | None
    cpus_per_task: int | None


def partition_of(options: Mapping[str, Any]) -> Partition:
    """The partition that the launcher's `options` choose, or the default one.

    Raises ConfigError when there is none of that name.
    """
    name = options.get("partition")
    chosen = ["-p", str(name)] if name else []
    lines = patient_output(["sinfo", "-h", "-o", "%R|%c|%G", *chosen]).splitlines()
    if not lines:
        there = patient_output(["sinfo", "-h", "-o", "%R"]).split()
        raise ConfigError(f"there is no partition {name}: this cluster has {', '.join(there)}")
    if not name:
        default = _default_partition()
        lines = [line for line in lines if line.split("|")[0] == default] or lines
    shapes = [line.split("|") for line in lines]
    return Partition(
        cores=max(int(re.sub(r"\D", "", cores) or 1) for _, cores, _ in shapes),
        gpus=max(_gpus(resources) for _, _, resources in shapes),
    )


def resources_of(
    config: Mapping[str, Any], options: Mapping[str, Any], partition: Partition
) -> Resources:
    """What each node of the job of `config` needs; what `options` set stands.

    Raises ConfigError when its ranks cannot be shared out over the nodes.
    """
    trainer, data = config["trainer"], config.get("data") or {}
    nodes = int(options.get("nodes") or 1)
    devices = trainer.get("devices", 1)
    if type(devices) is not int or devices < 1 or devices % nodes:
        raise ConfigError(
            f"trainer.devices={devices} cannot be shared out over "
            f"hydra.launcher.nodes={nodes}: make it a multiple of the nodes"
        )
    ranks = devices // nodes
    gpus = options.get("gpus_per_node")
    elsewhere = any(options.get(name) for name in ("gres", "gpus_per_task"))
    on_gpus = trainer.get("device") == "cuda" or (
        trainer.get("device", "auto") == "auto" and partition.gpus > 0
    )
    if gpus is None and on_gpus and not elsewhere:
        gpus = ranks
    cores = options.get("cpus_per_task")
    if cores is None and not options.get("cpus_per_gpu"):
        cores = min(ranks * (1 + int(data.get("workers") or 0)), partition.cores)
    return Resources(gpus_per_node=gpus, cpus_per_task=cores)


def _default_partition() -> str:
    names = patient_output(["sinfo", "-h", "-o", "%P"]).split()  # the default one ends with a star
    return next((name.rstrip("*") for name in names if name.endswith("*")), "")


def _gpus(resources: str) -> int:
    """The number in `gpu:2`, `gpu:a100:4(S:0-1)` or `gpu`, summed over kinds; else 0."""
    found = 0
    for resource in resources.split(","):
        if match := re.match(r"gpu(?::[^:(]+)*?(?::(\d+))?(?:\(|$)", resource.strip()):
            found += int(match[1] or 1)
    return found
