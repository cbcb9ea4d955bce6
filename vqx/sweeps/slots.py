"""Shares of one machine, its GPUs and cores, for jobs that run side by side."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vqx.errors import ConfigError, VqxError

_PROBE = "import torch; print(torch.cuda.device_count())"


@dataclass(frozen=True, slots=True)
class Slot:
    """What one job at a time may use: GPUs as CUDA_VISIBLE_DEVICES names them, and cores."""

    gpus: tuple[str, ...]
    cores: tuple[int, ...]

    def environment(self, ranks: int) -> dict[str, str]:
        """Variables for a job of `ranks` ranks in this slot; a thread count that is set stands."""
        variables = {"OMP_NUM_THREADS": str(max(1, len(self.cores) // ranks))}
        variables = {k: v for k, v in variables.items() if k not in os.environ}
        return (
            {**variables, "CUDA_VISIBLE_DEVICES": ",".join(self.gpus)} if self.gpus else variables
        )

    def __str__(self) -> str:
        cores = f"core{'s' * (len(self.cores) > 1)} {','.join(map(str, self.cores))}"
        if not self.gpus:
            return cores
        return f"GPU{'s' * (len(self.gpus) > 1)} {','.join(self.gpus)}"


def slots_for(
    configs: Sequence[Mapping[str, Any]],
    *,
    slots: int | None,
    cores_per_job: int | None,
    max_parallel: int | None,
) -> list[Slot]:
    """Slots in which the runs of `configs` can go side by side.

    `slots` null: as many as there are GPUs for, or on a machine without as many as there are
    `cores_per_job` (null: one a rank). More slots than that share GPUs and cores in turn. Raises
    ConfigError for what this machine cannot give.
    """
    for name, value in (("slots", slots), ("cores_per_job", cores_per_job)):
        if value is not None and (type(value) is not int or value < 1):
            raise ConfigError(
                f"hydra.launcher.{name} must be a positive whole number or null; got {value!r}"
            )
    cores = (
        sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else range(os.cpu_count() or 1)
    )
    ranks = max((_ranks(config) for config in configs), default=1)
    gpus = visible_gpus() if any(_device(config) != "cpu" for config in configs) else []
    if gpus and ranks > len(gpus):
        raise ConfigError(f"trainer.devices={ranks}, but {len(gpus)} GPUs are visible here")
    room = len(gpus) // ranks if gpus else len(cores) // (cores_per_job or ranks)
    count = max(1, min(n for n in (slots or room, max_parallel, len(configs)) if n is not None))
    each = cores_per_job or max(1, len(cores) // count)
    return [
        Slot(
            gpus=tuple(gpus[(i * ranks + j) % len(gpus)] for j in range(ranks)) if gpus else (),
            cores=tuple(sorted({cores[(i * each + j) % len(cores)] for j in range(each)})),
        )
        for i in range(count)
    ]


def _ranks(config: Mapping[str, Any]) -> int:
    devices = config["trainer"].get("devices", 1)
    return devices if type(devices) is int and devices > 0 else 1


def _device(config: Mapping[str, Any]) -> str:
    return str(config["trainer"].get("device", "auto"))


def visible_gpus() -> list[str]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves, or all of this machine, as it would name them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        names = [name.strip() for name in chosen.split(",")]
        return [name for name in names if name and name != "-1"]
    has_driver = shutil.which("nvidia-smi") or any(
        Path(path).exists() for path in ("/dev/nvidiactl", "/dev/kfd")
    )
    if not has_driver:
        return []
    # In a process of its own: torch is not to be loaded here, and would hold a GPU's context.
    answer = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True)
    if answer.returncode != 0:
        raise VqxError(f"the GPUs cannot be counted: {answer.stderr.strip().splitlines()[-1:]}")
    return [str(index) for index in range(int(answer.stdout.split()[-1]))]
